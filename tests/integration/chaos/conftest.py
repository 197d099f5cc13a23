"""One emulator for a module's experiments."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.chaos.experiments import Bucket, bucket


@pytest.fixture(scope="module")
def emulator() -> Iterator[Bucket]:
    with bucket() as running:
        yield running


@pytest.fixture
def pets(emulator: Bucket) -> Iterator[Bucket]:
    """The emulator, with the check that no experiment left a fault behind."""
    yield emulator
    left = emulator.plan("GET")["fault"]
    emulator.plan("DELETE")
    assert left == []
