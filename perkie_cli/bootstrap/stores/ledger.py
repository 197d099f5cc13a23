"""What upstream calls cost."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from perkie_cli.ports import SpendLedger
from perkie_cli.stores.ledger_documents import DocumentLedger
from perkie_cli.stores.sqlite.ledger import SqliteLedger

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def ledger(its: Services) -> SpendLedger:
    """Books what each call takes, before and after."""
    if its.settings.gemini.ledger == "firestore":
        rng = random.Random()  # noqa: S311 -- spreads load, no secret
        return DocumentLedger(its.firestore_documents, its.clock, rng)
    return SqliteLedger(its.state_dir / "spend.sqlite", its.clock, its.io)
