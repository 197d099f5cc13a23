"""The stores that the contract suites run on, each in a place of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from perkie_cli.emulators.firestore.database import Mode
from perkie_cli.ports import BlobStore, DocumentStore
from tests.clock import ManualClock
from tests.contract import blob_stores
from tests.contract.document_stores import FirestoreOpener, MemoryOpener, Opener, SqliteOpener
from tests.firestores import emulator_thread, google_emulator, google_jar

STORES = ["memory", "sqlite", "firestore-optimistic", "firestore-pessimistic", "firestore-google"]


@pytest.fixture(scope="session")
def optimistic_firestore() -> Iterator[str]:
    with emulator_thread(Mode.OPTIMISTIC) as emulator:
        yield emulator.address


@pytest.fixture(scope="session")
def pessimistic_firestore() -> Iterator[str]:
    with emulator_thread(Mode.PESSIMISTIC) as emulator:
        yield emulator.address


@pytest.fixture(scope="session")
def google_firestore() -> Iterator[str]:
    jar = google_jar()
    if isinstance(jar, str):
        pytest.skip(f"Google's Firestore emulator: {jar}")
    with google_emulator(jar) as address:
        yield address


@pytest.fixture(params=STORES)
async def documents_opener(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opener]:
    made = _opener(request, tmp_path)
    yield made
    await made.aclose()


def _opener(request: pytest.FixtureRequest, folder: Path) -> Opener:
    kind, _, which = request.param.partition("-")
    if kind == "memory":
        return MemoryOpener()
    if kind == "sqlite":
        return SqliteOpener(folder / "state" / "documents.sqlite")
    return FirestoreOpener(request.getfixturevalue(f"{which}_firestore"), googles=which == "google")


@pytest.fixture
def documents(documents_opener: Opener, clock: ManualClock) -> DocumentStore:
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
