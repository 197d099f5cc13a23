"""The facts that may be stored with a picture: an allow-list, so that no customer data slips in."""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.domain.errors import InvalidParameter

ALLOWED = frozenset({
    "confidence", "cutout", "degraded", "degradation_reason", "device", "engine", "height", "kind", "mode", "model",
    "notes", "phash", "recipe", "style", "width",
})  # fmt: skip
LONGEST = 256


def allowed_of(metadata: Mapping[str, str]) -> dict[str, str]:
    """Those of the facts that may be stored: an object that somebody's tool wrote can have others."""
    return {name: value for name, value in metadata.items() if name in ALLOWED and len(value) <= LONGEST}


def check_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns a checked copy of the facts.

    Raises: InvalidParameter for a name that is not on the list, or a value that is too long.
    """
    for name, value in metadata.items():
        if name not in ALLOWED or len(value) > LONGEST:
            raise InvalidParameter(f"{name[:40]!r} is not a fact that may be stored, or is over {LONGEST} characters")
    return dict(metadata)
