"""When a pet's styles are drawn: the trade between waiting and paying for pictures that nobody asks for."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from perkie_cli.domain.style import Style, StyleBook


class Strategy(StrEnum):
    """What is drawn right after the upload."""

    ON_DEMAND = "on_demand"
    PREGENERATE = "pregenerate"
    HYBRID = "hybrid"

    def at_once(self, book: StyleBook) -> Sequence[Style]:
        """None, all, or the popular styles."""
        if self is Strategy.ON_DEMAND:
            return ()
        return book.all() if self is Strategy.PREGENERATE else book.select("popular")
