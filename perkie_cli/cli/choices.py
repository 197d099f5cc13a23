"""What several commands read out of their flags."""

from __future__ import annotations

from pathlib import Path

from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.generation import CacheUse
from perkie_cli.domain.picture import ImageFormat


def cache_use(refresh: bool, no_cache: bool) -> CacheUse:
    """Of ``--refresh`` and ``--no-cache``. Raises: UsageError."""
    if refresh and no_cache:
        raise UsageError("--refresh and --no-cache exclude each other")
    if no_cache:
        return CacheUse.OFF
    return CacheUse.REFRESH if refresh else CacheUse.NORMAL


def output_format(name: str | None, output: Path | None, default: str) -> ImageFormat:
    """By ``--format``, else by the ending of ``-o``. Raises: InvalidParameter."""
    word = name or (output.suffix.lstrip(".").lower() if output is not None else "") or default
    try:
        return ImageFormat("jpg" if word == "jpeg" else word)
    except ValueError:
        raise InvalidParameter(
            f"{word!r} is not an output format", hint="Formats: jpg, png, webp (by --format or the ending of -o)."
        ) from None
