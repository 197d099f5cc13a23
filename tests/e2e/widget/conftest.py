"""One browser and one server for a module's tests; each test has a profile, and with it a session, of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser

from perkie_cli.config.schema import QuotaSettings, Settings
from tests.browser import Visit, chromium, visiting
from tests.http_server import Running, running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server() -> AsyncIterator[Running]:
    quota = QuotaSettings(session=1_000, ip_ceiling=10_000)  # all of a module's tests have one address
    async with running(settings=Settings(quota=quota)) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    async with visiting(browser) as made:
        yield made
