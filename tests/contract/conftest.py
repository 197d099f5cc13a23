"""The stores that the suites over documents run on, each in a place of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perkie_cli.ports import DocumentStore
from tests.clock import ManualClock
from tests.contract.document_stores import MemoryOpener, Opener, SqliteOpener


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def documents_opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    made = MemoryOpener() if request.param == "memory" else SqliteOpener(tmp_path / "state" / "documents.sqlite")
    yield made
    await made.aclose()


@pytest.fixture
def documents(documents_opener: Opener, clock: ManualClock) -> DocumentStore:
    return documents_opener.open(clock)
