"""The changelog as a file of sections (https://keepachangelog.com/en/1.1.0/)."""

from __future__ import annotations

import re
from datetime import date

UNRELEASED = "## [Unreleased]"
_SECTION = re.compile(r"^## \[(?P<name>[^\]]+)\]", re.MULTILINE)


def unreleased(text: str) -> str:
    """What stands under Unreleased; "" if that is nothing. Raises: ValueError if there is no such section."""
    head, found, rest = text.partition(UNRELEASED)
    del head
    if not found:
        raise ValueError(f"CHANGELOG.md has no section {UNRELEASED}")
    following = _SECTION.search(rest)
    body = rest[: following.start()] if following else rest
    said = [line for line in body.splitlines() if line.strip() and not line.startswith("#")]
    return body.strip() if said else ""


def versions(text: str) -> list[str]:
    """The released versions, the newest first."""
    return [match["name"] for match in _SECTION.finditer(text) if match["name"] != "Unreleased"]


def released(text: str, version: str, day: date) -> str:
    """The text with all that was unreleased under the version. Raises: ValueError if there is nothing to release."""
    if not unreleased(text):
        raise ValueError("nothing stands under Unreleased in CHANGELOG.md: there is nothing to release")
    return text.replace(UNRELEASED, f"{UNRELEASED}\n\n## [{version}] - {day.isoformat()}", 1)
