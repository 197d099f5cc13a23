"""Which event loop a test of this folder runs on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest

from tests.jumping_loop import JumpingLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Marked ``jumping``: one whose time jumps; else the usual one."""
    if item.get_closest_marker("jumping") is not None:
        return {"jumping": JumpingLoop}
    return {"usual": asyncio.new_event_loop}
