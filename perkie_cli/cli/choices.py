"""Flag combinations that several commands share."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from perkie_cli.batch.outputs.address import BUCKET, ObjectPath
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


def matting_flags(remove_bg: bool, engine: str | None, mode: str | None, device: str | None) -> dict[str, str | None]:
    """The settings for ``--remove-bg``, by dotted name. Raises: UsageError for flags without it."""
    flags = {"matting.engine": engine, "matting.mode": mode, "matting.device": device}
    if not remove_bg and any(flags.values()):
        raise UsageError("--matting-engine, --mode and --device need --remove-bg", hint="Add --remove-bg.")
    return flags


def output_place(output: str | None, out_dir: PurePath | None) -> tuple[PurePath | None, PurePath | None]:
    """The output file and the output folder: ``-o DIR/`` names a folder, as in cp and rclone. Raises: UsageError."""
    if output is None or not output.endswith(("/", os.sep)):
        return None if output is None else output_path(output), out_dir
    if out_dir is not None:
        raise UsageError("-o and --out-dir exclude each other")
    return None, output_path(output)


def output_path(given: str | Path) -> PurePath:
    """A path, or an address in a bucket. Raises: UsageError for an address without a bucket."""
    path = Path(given)
    if path.parts[:1] != (BUCKET.rstrip("/"),):
        return path
    return ObjectPath.parse(BUCKET + "/".join(path.parts[1:]))  # a path keeps one slash of two


def output_in(output: str, name: str) -> Path:
    """The output file; ``name`` in the folder that ``-o DIR/`` names."""
    return Path(output) / name if output.endswith(("/", os.sep)) else Path(output)


def output_format(name: str | None, output: PurePath | None, default: str) -> ImageFormat:
    """The format from ``--format``, else from the extension of ``-o``. Raises: InvalidParameter."""
    word = name or (output.suffix.lstrip(".") if output is not None else "") or default
    try:
        return ImageFormat("jpg" if word.lower() == "jpeg" else word.lower())
    except ValueError:
        raise InvalidParameter(
            f"{word!r} is not an output format", hint="Formats: jpg, png, webp (by --format or the ending of -o)."
        ) from None
