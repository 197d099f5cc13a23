"""Which event loop a test of this folder runs on; an emulated bucket, its signer, and an engine that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.clock import ManualClock
from tests.contract.blob_stores import GcsOpener
from tests.engines import Negative
from tests.jumping_loop import JumpingLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Marked ``jumping``: one whose time jumps; else the usual one."""
    if item.get_closest_marker("jumping") is not None:
        return {"jumping": JumpingLoop}
    return {"usual": asyncio.new_event_loop}


@pytest.fixture
def engine() -> Negative:
    return Negative()


@pytest.fixture
async def bucket(clock: ManualClock) -> AsyncIterator[GcsOpener]:
    opener = await GcsOpener(clock).start()
    yield opener
    await opener.aclose()
