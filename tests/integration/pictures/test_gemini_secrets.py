"""A canary key is searched for in everything that comes out of a failing call: logs, tracebacks, reprs, events."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from perkie_cli.domain.errors import PerkieError
from tests.gemini_bench import KEY, bench

pytestmark = pytest.mark.jumping

FAULTS = ["outage", "error", "hang", "reset", "truncated", "corrupt", "empty", "blocked", "wrong_json", "overloaded"]


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """Everything that any library logs, from the finest level on."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


async def test_the_key_stays_inside(tmp_path: Path, log: io.StringIO) -> None:
    shown: list[str] = []
    async with bench(tmp_path, api_key="another") as gemini:
        for kind in ("wrong key", *FAULTS):
            await gemini.fresh()
            if kind != "wrong key":
                gemini.emulator._api_key = None
                gemini.plan({"kind": kind, "status": 400})
            with pytest.raises(PerkieError) as raised:
                await gemini.draw(seconds=50.0)
            shown += traceback.format_exception(raised.value)
            chain: BaseException | None = raised.value
            while chain is not None:  # suppressed contexts too: some loggers print them
                shown += [repr(chain), *map(str, chain.args)]
                chain = chain.__cause__ or chain.__context__
            shown += [repr(raised.value.__dict__), repr(gemini.events.events)]
        shown += [repr(gemini.gemini._access), log.getvalue()]
    assert len(log.getvalue()) > 1000, "the log was listened to"
    assert KEY not in "\n".join(shown)
