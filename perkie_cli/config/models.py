"""Reads the shipped image models and the user's own."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Collection, Mapping
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from perkie_cli.domain.errors import InvalidSetting, UnreadableFile
from perkie_cli.domain.money.price_list import HALF, SIDES, ImageModel, ModelCatalogue
from perkie_cli.domain.units import why_unread

SHIPPED = "data/models.toml"
_KINDS = ("model", "network")
Row = TypeVar("Row")
_FIELDS = (
    "id", "title", "usd_per_million", "image_tokens", "input_tokens", "reference_side", "retires", "successor",
    "batch_share",
)  # fmt: skip


def load_models(own: Path | None = None, *, required: bool = False) -> ModelCatalogue:
    """The shipped models, then those of the user's file, which replace shipped ones with the same id.

    Raises: InvalidSetting, UnreadableFile; a missing file only where it is ``required``.
    """
    return ModelCatalogue(read_rows("model", _model, own, required=required).values())


def read_rows(
    kind: str, parse: Callable[[Mapping[str, Any]], Row], own: Path | None, *, required: bool
) -> dict[str, Row]:
    """The ``[[kind]]`` tables of the shipped file and the user's, by id.

    Raises: InvalidSetting, UnreadableFile; a missing file only where it is ``required``.
    """
    rows = _parse((resources.files("perkie_cli") / SHIPPED).read_text("utf-8"), SHIPPED, kind, parse)
    if own is not None:
        try:
            rows |= _parse(own.read_text("utf-8"), str(own), kind, parse)
        except FileNotFoundError as error:
            if required:
                raise UnreadableFile(f"model file {own} does not exist") from error
        except (OSError, UnicodeDecodeError) as error:
            raise UnreadableFile(f"model file {own} cannot be read: {why_unread(error)}") from error
    return rows


def _parse(text: str, source: str, kind: str, parse: Callable[[Mapping[str, Any]], Row]) -> dict[str, Row]:
    try:
        table = tomllib.loads(text)
        check_known(table, _KINDS)
        return {str(row["id"]): parse(row) for row in table.get(kind, [])}
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"model file {source} is not valid TOML: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        said = f"the field {error} is missing" if isinstance(error, KeyError) else _plainly(error)
        raise InvalidSetting(
            f"model file {source} has an entry that cannot be used: {said}",
            hint="The shipped models.toml shows which fields are needed.",
        ) from error


def _plainly(error: Exception) -> str:
    """Our own sentences as they are; Python's with their class, which tells what kind of value was wrong."""
    return str(error) if type(error) in (ValueError, TypeError) else f"{type(error).__name__}: {error}"


def _model(row: Mapping[str, Any]) -> ImageModel:
    check_known(row, _FIELDS)
    prices = row["usd_per_million"]
    sizes = {name: whole(count) for name, count in row["image_tokens"].items()}
    if not sizes or not sizes.keys() <= SIDES.keys():
        raise ValueError(f"image_tokens of {row['id']} must name sizes of {', '.join(SIDES)}")
    retires = row.get("retires")
    if retires is not None and (not isinstance(retires, date) or isinstance(retires, datetime)):
        raise TypeError(f"retires of {row['id']} must be a date such as 2027-01-31, without quotes")
    return ImageModel(
        id=str(row["id"]),
        title=str(row.get("title", row["id"])),
        image_usd=_price(prices["image"]),
        text_usd=_price(prices["text"]),
        input_usd=_price(prices["input"]),
        image_tokens=sizes,
        input_tokens=whole(row["input_tokens"], minimum=0),
        reference_side=whole(row["reference_side"]),
        retires=retires,
        successor=row.get("successor"),
        batch_share=_share(row.get("batch_share", HALF)),
    )


def check_known(table: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuses unknown fields: with a misspelt ``retires`` a model would be used after its shutdown."""
    for name in table:
        if name not in known:
            raise ValueError(f"unknown field {name!r}")


def whole(value: Any, minimum: int = 1) -> int:
    """Checks a whole number. Raises: ValueError."""
    if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
        raise ValueError(f"{value!r} is not a whole number of at least {minimum}")
    return value


def _share(value: Any) -> Decimal:
    share = _price(value)
    if share > 1:
        raise ValueError(f"{value!r} is not a share of the price, from 0 to 1")
    return share


def _price(value: Any) -> Decimal:
    """A price from a string or a number."""
    usd = Decimal(str(value))
    if not usd.is_finite() or usd < 0:
        raise ValueError(f"{value!r} is not a price")
    return usd
