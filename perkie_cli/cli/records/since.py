"""``--since``: how far back to look."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.units import parse_moment

Since = Annotated[
    str | None,
    typer.Option("--since", metavar="TIME", help="Only since then: 2h, 7d, or a UTC time such as 2026-11-29T12:00."),
]


def begin_of(text: str | None, now: datetime) -> datetime:
    """The moment that ``--since`` names, in UTC; the beginning of all time without it.

    Raises: InvalidParameter.
    """
    if text is None:
        return datetime.min.replace(tzinfo=UTC)
    try:
        return parse_moment(text, now)
    except ValueError:
        raise InvalidParameter(
            f"--since: {text[:40]!r} is neither a duration nor a time",
            hint="Write 30m, 2h, 7d, 2026-11-29 or 2026-11-29T12:00 (UTC).",
        ) from None
