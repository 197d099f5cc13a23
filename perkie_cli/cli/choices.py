"""Flag combinations that several commands share."""

from __future__ import annotations

from pathlib import Path

from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import CacheUse


def owner_of(customer: str | None, session: str | None) -> Owner | None:
    """The owner named by ``--customer`` or ``--session``, if any. Raises: UsageError, InvalidIdentity."""
    if customer is not None and session is not None:
        raise UsageError("--customer and --session exclude each other")
    if customer is not None:
        return Owner.customer(customer)
    return None if session is None else Owner.session(session)


def cache_use(refresh: bool, no_cache: bool) -> CacheUse:
    """The cache use set by ``--refresh`` and ``--no-cache``. Raises: UsageError."""
    if refresh and no_cache:
        raise UsageError("--refresh and --no-cache exclude each other")
    if no_cache:
        return CacheUse.OFF
    return CacheUse.REFRESH if refresh else CacheUse.NORMAL


def output_format(name: str | None, output: Path | None, default: str) -> ImageFormat:
    """The format from ``--format``, else from the extension of ``-o``. Raises: InvalidParameter."""
    word = name or (output.suffix.lstrip(".") if output is not None else "") or default
    try:
        return ImageFormat("jpg" if word.lower() == "jpeg" else word.lower())
    except ValueError:
        raise InvalidParameter(
            f"{word!r} is not an output format", hint="Formats: jpg, png, webp (by --format or the ending of -o)."
        ) from None
