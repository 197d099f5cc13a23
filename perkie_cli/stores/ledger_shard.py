"""One document of the spend ledger: what is booked in it, and its rows in a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.report import LONGEST
from perkie_cli.domain.money.spend import NANO, Spend, Usage, nanodollars
from perkie_cli.ports import Document


@frozen
class Booked:
    """One purchase's settled calls in one shard, and the number of calls started."""

    calls: int = 0
    nano: int = 0
    input_tokens: int = 0
    output_tokens: int = 0


@frozen
class Wasted:
    """Settled calls of one purchase that brought no picture."""

    calls: int = 0
    nano: int = 0


@frozen
class Shard:
    """One document of a day, also an owner's page.

    ``open`` maps bookings to purchase and nanodollars; ``whole``: the cap is for all shards. A purchase is written as
    ``MODEL|STYLE`` (``MODEL`` by older versions).
    """

    models: Mapping[str, Booked] = field(default_factory=dict)
    open: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    whole: bool = False
    wasted: Mapping[str, Wasted] = field(default_factory=dict)

    @property
    def nano(self) -> int:
        """Settled and possible spend in nanodollars."""
        return sum(each.nano for each in self.models.values()) + sum(nano for _, nano in self.open.values())

    def reserve(self, booking: str, purchase: str, nano: int) -> Shard:
        """This shard with an open booking added."""
        mine = self.models.get(purchase, Booked())
        models = {**self.models, purchase: replace(mine, calls=mine.calls + 1)}
        return replace(self, models=models, open={**self.open, booking: (purchase, nano)})

    def settle(self, booking: str, usage: Usage, *, drawn: bool) -> Shard:
        """This shard with the call's actual cost; settling twice changes nothing."""
        if booking not in self.open:
            return self
        purchase, _ = self.open[booking]
        mine = self.models[purchase]
        wasted = self.wasted
        if not drawn:
            before = wasted.get(purchase, Wasted())
            wasted = {**wasted, purchase: Wasted(before.calls + 1, before.nano + nanodollars(usage.cost_usd))}
        settled = replace(
            mine,
            nano=mine.nano + nanodollars(usage.cost_usd),
            input_tokens=mine.input_tokens + usage.input_tokens,
            output_tokens=mine.output_tokens + usage.output_tokens,
        )
        rest = {each: kept for each, kept in self.open.items() if each != booking}
        return replace(self, models={**self.models, purchase: settled}, open=rest, wasted=wasted)

    @classmethod
    def from_document(cls, document: Document | None) -> Shard:
        """The shard from its document; None is one that was never written."""
        if document is None:
            return cls()
        models = {name: Booked(*numbers) for name, numbers in document["models"].items()}
        opened = {id_: (purchase, nano) for id_, (purchase, nano) in document["open"].items()}
        wasted = {name: Wasted(*numbers) for name, numbers in document.get("wasted", {}).items()}
        return cls(models, opened, document["whole"], wasted)

    def to_document(self, day: date) -> Document:
        """The inverse of ``from_document``."""
        models = {n: [b.calls, b.nano, b.input_tokens, b.output_tokens] for n, b in self.models.items()}
        opened = {id_: list(booking) for id_, booking in self.open.items()}
        expires = (datetime.combine(day, time(), UTC) + LONGEST).timestamp()
        wasted = {name: [each.calls, each.nano] for name, each in self.wasted.items()}
        return {"models": models, "open": opened, "whole": self.whole, "wasted": wasted, "expires": expires}


def rows(day: date, shards: Sequence[Shard], customer: str = "") -> list[Spend]:
    """The sums of one day, or of one owner's page of it, by model and style."""
    names = sorted({name for shard in shards for name in shard.models})
    return [_row(day, name, shards, customer) for name in names]


def _row(day: date, name: str, shards: Sequence[Shard], customer: str) -> Spend:
    booked = [shard.models[name] for shard in shards if name in shard.models]
    opened = [nano for shard in shards for of, nano in shard.open.values() if of == name]
    wasted = [shard.wasted[name] for shard in shards if name in shard.wasted]
    calls = sum(each.calls for each in booked)
    model, _, style = name.partition("|")
    return Spend(
        day,
        model,
        style,
        calls,
        pictures=calls - len(opened) - sum(each.calls for each in wasted),
        usd=_usd(sum(each.nano for each in booked) + sum(opened)),
        possible_usd=_usd(sum(opened)),
        wasted_usd=_usd(sum(each.nano for each in wasted)),
        input_tokens=sum(each.input_tokens for each in booked),
        output_tokens=sum(each.output_tokens for each in booked),
        possible_calls=len(opened),
        customer=customer,
    )


def _usd(nano: int) -> Decimal:
    return Decimal(nano) / NANO
