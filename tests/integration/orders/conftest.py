"""What the tests of orders share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from perkie_cli.config.models import load_models
from tests.integration.orders.shop import Shop, opened


@pytest.fixture
async def shop(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    """Three uploads, and a key for the emulator."""
    async with opened(load_models()) as made:
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", made.emulator.url)
        monkeypatch.setenv("GEMINI_API_KEY", "any")
        monkeypatch.setenv("PERKIE_STYLE_SIZE", "256")
        await made.upload(3)
        yield made
