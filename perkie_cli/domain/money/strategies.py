"""What the three strategies of the shop cost: a calculation from stated assumptions, never a claim.

::

    on_demand     each style when somebody looks at it
    hybrid        the popular styles after the upload, the others when somebody looks at them
    pregenerate   all styles after the upload
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen

Strategy = Literal["on_demand", "hybrid", "pregenerate"]
STRATEGIES: tuple[Strategy, ...] = ("on_demand", "hybrid", "pregenerate")


@frozen
class Assumptions:
    """What the calculation starts from.

    ``photos``: uploads a day; ``views``: styles that a customer looks at, of ``styles``, the ``popular`` ones first;
    ``hit_rate``: share of pictures that the cache has already; ``price``: dollars a picture; ``waste``: share of paid
    calls without a picture (blocked, timed out, retried). Shares are 0..1.
    """

    photos: Decimal
    styles: int
    popular: int
    views: Decimal
    hit_rate: Decimal
    price: Decimal
    waste: Decimal

    def __post_init__(self) -> None:
        """Raises: InvalidParameter."""
        if not 0 <= self.popular <= self.styles:
            raise InvalidParameter(f"{self.popular} of {self.styles} styles cannot be popular")
        if not 0 <= self.views <= self.styles:
            raise InvalidParameter(
                f"a customer cannot look at {self.views} of {self.styles} styles",
                hint=f"--views is between 0 and {self.styles}.",
            )
        if not 0 <= self.hit_rate <= 1:
            raise InvalidParameter(f"a hit rate of {self.hit_rate} is not a share", hint="Use 0 to 1, or 30%.")
        if not 0 <= self.waste < 1:
            raise InvalidParameter(f"a waste of {self.waste} is not a share", hint="Use 0 to 1 (not 1 itself), or 2%.")


@frozen
class StrategyCost:
    """One strategy, a day. ``pictures`` are paid for, ``unseen`` of them nobody looks at; customers wait for
    ``waited_for`` of the pictures that they look at. ``break_even`` is the hit rate at which the strategy would cost
    what on_demand costs at the assumed one; None if it never does. Counts are expected values.
    """

    strategy: Strategy
    pictures: Decimal
    unseen: Decimal
    waited_for: Decimal
    usd: Decimal
    break_even: Decimal | None

    def per_photo(self, photos: Decimal) -> Decimal:
        """Dollars for one upload."""
        return self.usd / photos if photos else Decimal(0)


def compare(given: Assumptions) -> Sequence[StrategyCost]:
    """The three strategies side by side."""
    baseline = _drawn(given, "on_demand")
    return [_cost(given, strategy, baseline) for strategy in STRATEGIES]


def sensitivity(given: Assumptions, hit_rates: Sequence[Decimal]) -> Sequence[tuple[Decimal, Sequence[StrategyCost]]]:
    """The comparison again at each hit rate."""
    return [(rate, compare(replace(given, hit_rate=rate))) for rate in hit_rates]


def affordable_hit_rate(given: Assumptions, strategy: Strategy, cap: Decimal) -> Decimal:
    """The lowest hit rate, 0..1, at which a day's pictures stay within ``cap`` dollars."""
    uncached = _usd(given, _drawn(replace(given, hit_rate=Decimal(0)), strategy))
    return max(Decimal(0), 1 - cap / uncached) if uncached else Decimal(0)


def _cost(given: Assumptions, strategy: Strategy, baseline: Decimal) -> StrategyCost:
    drawn, missed = _drawn(given, strategy), 1 - given.hit_rate
    ahead, seen_ahead = _ahead(given, strategy)
    at_first = given.photos * _per_photo(given, strategy)  # pictures if the cache were empty
    return StrategyCost(
        strategy,
        pictures=drawn,
        unseen=given.photos * (ahead - seen_ahead) * missed,
        waited_for=given.photos * (given.views - seen_ahead) * missed,
        usd=_usd(given, drawn),
        break_even=1 - baseline / at_first if at_first and baseline <= at_first else None,
    )


def _drawn(given: Assumptions, strategy: Strategy) -> Decimal:
    return given.photos * _per_photo(given, strategy) * (1 - given.hit_rate)


def _per_photo(given: Assumptions, strategy: Strategy) -> Decimal:
    """Pictures of one upload that are drawn or found: those made ahead, and those only looked at."""
    ahead, seen_ahead = _ahead(given, strategy)
    return ahead + given.views - seen_ahead


def _ahead(given: Assumptions, strategy: Strategy) -> tuple[Decimal, Decimal]:
    """How many styles of an upload are made ahead, and how many of these are looked at."""
    ahead = {"on_demand": 0, "hybrid": given.popular, "pregenerate": given.styles}[strategy]
    return Decimal(ahead), min(Decimal(ahead), given.views)


def _usd(given: Assumptions, pictures: Decimal) -> Decimal:
    return pictures * given.price / (1 - given.waste)
