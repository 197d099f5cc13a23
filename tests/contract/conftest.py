"""The stores that the contract suites run over, each in a place of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perkie_cli.ports import BlobStore, DocumentStore
from tests.clock import ManualClock
from tests.contract import blob_stores, document_stores


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def documents_opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[document_stores.Opener]:
    memory, path = request.param == "memory", tmp_path / "state" / "documents.sqlite"
    made = document_stores.MemoryOpener() if memory else document_stores.SqliteOpener(path)
    yield made
    await made.aclose()


@pytest.fixture
def documents(documents_opener: document_stores.Opener, clock: ManualClock) -> DocumentStore:
    return documents_opener.open(clock)


@pytest.fixture(params=["disk", "gcs"])
async def opener(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[blob_stores.Opener]:
    disk = request.param == "disk"
    made = blob_stores.DiskOpener(tmp_path / "cache") if disk else await blob_stores.GcsOpener(clock).start()
    yield made
    await made.aclose()


@pytest.fixture
def store(opener: blob_stores.Opener, clock: ManualClock) -> BlobStore:
    return opener.open(clock)
