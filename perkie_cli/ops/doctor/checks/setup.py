"""Settings, styles and versions."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from importlib import metadata

from perkie_cli.ops.doctor.said import Said, error, ok, warning
from perkie_cli.ops.doctor.subject import Subject

PACKAGE = "perkie-cli"
TOLD = (
    *("google-genai", "google-cloud-storage", "google-cloud-firestore", "google-cloud-monitoring"),
    *("opentelemetry-sdk", "numpy", "torch"),
)


async def settings(its: Subject) -> Sequence[Said]:
    """Whether a variable is misspelt. A config file with a fault is told of before any check can run."""
    strange = [warning(text, "perkie config init") for text in its.loaded.warnings]
    files = [str(path) for path, exists in its.loaded.files if exists]
    return strange or [ok(f"read from {', '.join(files)}" if files else "no config file; defaults and variables")]


async def styles(its: Subject) -> Sequence[Said]:
    """Whether every style file can be used."""
    book = await its.blocking(lambda parts: parts.styles)
    broken = [error(each.error.message, f"perkie styles check {each.source}") for each in book.broken]
    return broken or [ok(f"{len(book.all())} styles")]


async def versions(its: Subject) -> Sequence[Said]:
    """Versions, and packages of the base install that are missing. Imports none of them."""
    del its
    missing = [name for name in _needed() if _version(name) is None]
    if missing:
        return [error(f"not installed: {', '.join(missing)}", f"pip install {' '.join(missing)}")]
    told = [f"{name} {version}" for name in TOLD if (version := _version(name)) is not None]
    return [ok(f"perkie {_version(PACKAGE)}, Python {platform.python_version()}, {', '.join(told)}")]


def _needed() -> Sequence[str]:
    """The packages of the base install; none where perkie runs from its sources."""
    try:
        wanted = metadata.requires(PACKAGE) or []
    except metadata.PackageNotFoundError:
        return []
    return [re.split(r"[^\w.-]", each, maxsplit=1)[0] for each in wanted if "extra ==" not in each]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
