"""A canary key is searched for in everything that comes out of a failing call: logs, tracebacks, reprs, events."""

from __future__ import annotations

import io
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from perkie_cli.domain.errors import PerkieError, WrongCredentials
from perkie_cli.domain.secret import Secret
from tests.gemini_bench import KEY, Bench, bench

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
    async with bench(tmp_path / "wrong", api_key="another") as gemini:
        shown += await shown_by(gemini)
    async with bench(tmp_path / "faults") as gemini:
        for kind in FAULTS:
            await gemini.fresh()
            gemini.plan({"kind": kind, "status": 400})
            shown += await shown_by(gemini)
    shown.append(log.getvalue())
    assert len(log.getvalue()) > 1000, "the log was listened to"
    assert KEY not in "\n".join(shown)


async def shown_by(gemini: Bench) -> list[str]:
    """All that a failing call lets be seen."""
    with pytest.raises(PerkieError) as raised:
        await gemini.draw(seconds=50.0)
    shown = traceback.format_exception(raised.value)
    chain: BaseException | None = raised.value
    while chain is not None:  # suppressed contexts too: some loggers print them
        shown += [repr(chain), *map(str, chain.args)]
        chain = chain.__cause__ or chain.__context__
    return [*shown, repr(raised.value.__dict__), repr(gemini.events.events), repr(vars(gemini.gemini))]


async def test_a_key_that_was_replaced_where_it_is_kept_is_used_from_the_next_call_on(tmp_path: Path) -> None:
    kept = [Secret("an old one")]
    async with bench(tmp_path, api_key=KEY, resolve=lambda _: kept[-1]) as gemini:
        with pytest.raises(WrongCredentials):
            await gemini.draw()
        kept.append(Secret(KEY))
        await gemini.fresh()  # a refusal is remembered for a while
        with pytest.raises(WrongCredentials):  # sent with the old key; its refusal has the key looked for
            await gemini.draw()
        await gemini.fresh()
        assert (await gemini.draw()).engine == "gemini"
