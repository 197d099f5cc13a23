"""The spend ledger."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from perkie_cli.ports import SpendLedger
from perkie_cli.stores.ledger_documents import DocumentLedger
from perkie_cli.stores.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def ledger(its: Services) -> SpendLedger:
    """Books the cost of each upstream call, before and after it."""
    if its.settings.gemini.ledger == "firestore":
        rng = random.Random()  # noqa: S311 -- spreads load, no secret
        return DocumentLedger(its.firestore_documents, its.clock, rng)
    return SqliteLedger(its.state_dir / "spend.sqlite", its.clock)
