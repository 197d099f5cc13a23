"""Reads the shipped matting networks and the user's own, from the same files as the image models."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from perkie_cli.config.models import check_known, read_rows, whole
from perkie_cli.domain.cutouts.network import Channels, MattingNetwork
from perkie_cli.domain.engines import AUTO, MATTING

_FIELDS = ("id", "title", "file", "licence", "side", "mean", "deviation", "output", "logits")
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")


def load_networks(own: Path | None = None, *, required: bool = False) -> Mapping[str, MattingNetwork]:
    """The networks by id: rembg's, then those of the user's file, which replace them.

    Raises: InvalidSetting, UnreadableFile; a missing file only where it is ``required``.
    """
    return read_rows("network", _network, own, required=required)


def _network(row: Mapping[str, Any]) -> MattingNetwork:
    check_known(row, _FIELDS)
    id_ = str(row["id"])
    if _ID.fullmatch(id_) is None or id_ in (AUTO, *MATTING):
        raise ValueError(
            f"id {id_!r} must be lower-case letters, digits, dots and dashes, and not the name of an engine"
        )
    return MattingNetwork(
        id=id_,
        title=str(row.get("title", id_)),
        file=_file_name(row["file"]),
        licence=str(row["licence"]),
        side=whole(row["side"], minimum=32),
        mean=_channels(row["mean"]),
        deviation=_channels(row["deviation"], above=0),
        output=None if row.get("output") is None else str(row["output"]),
        logits=_flag(row.get("logits", False)),
    )


def _file_name(value: Any) -> str:
    name = str(value)
    if Path(name).name != name:
        raise ValueError(f"file {name!r} must be a file name without a path; files are looked up in the model folders")
    return name


def _channels(value: Any, above: float = -math.inf) -> Channels:
    red, green, blue = (float(each) for each in value)
    if not all(math.isfinite(each) and each > above for each in (red, green, blue)):
        raise ValueError(f"{value!r} is not a list of three usable numbers")
    return red, green, blue


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not true or false")
    return value
