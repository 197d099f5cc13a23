"""The filters that all ``perkie cache`` commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, TypeVar

import typer

from perkie_cli.bootstrap import build_services
from perkie_cli.cli import complete
from perkie_cli.cli.choices import owner_of
from perkie_cli.cli.options import shares
from perkie_cli.cli.session import settings_of
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.storage.selection import AREAS
from perkie_cli.domain.units import parse_duration, parse_size
from perkie_cli.services.storage.filter import Filter

T = TypeVar("T")


def _duration(text: str) -> timedelta:
    return _parsed(parse_duration, "--older-than", text)


def _size(text: str) -> int:
    return _parsed(parse_size, "--larger-than", text)


def _parsed(parse: Callable[[str], T], flag: str, text: str) -> T:
    try:
        return parse(text)
    except ValueError as error:
        raise InvalidParameter(f"{flag}: {error}") from error


def _chosen(
    ctx: typer.Context,
    *,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only objects of this customer.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only objects of this session.")] = None,
    hash_: Annotated[
        str | None,
        typer.Option("--hash", metavar="HEX", help="Only objects of this upload.", autocompletion=complete.hashes),
    ] = None,
    style: Annotated[
        str | None, typer.Option(metavar="ID", help="Only pictures in this style.", autocompletion=complete.style)
    ] = None,
    prefix: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Only keys with this prefix, such as shared/.",
            autocompletion=complete.among(f"{area}/" for area in AREAS),
        ),
    ] = "",
    older_than: Annotated[
        timedelta | None,
        typer.Option(parser=_duration, metavar="AGE", help="Only unused for this long, such as 36h or 7d."),
    ] = None,
    larger_than: Annotated[
        int | None, typer.Option(parser=_size, metavar="SIZE", help="Only larger than this, such as 500kB or 2MiB.")
    ] = None,
    expired: Annotated[bool, typer.Option("--expired", help="Only objects past their lifetime.")] = False,
) -> Filter:
    style_id = None if style is None else build_services(settings_of(ctx).settings).styles.get(style).id
    return Filter(
        owner_of(customer, session), hash_ and hash_.lower(), style_id, prefix, older_than, larger_than, expired
    )


filtered = shares("chosen", _chosen, first=True)
