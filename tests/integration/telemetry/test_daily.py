"""`perkie report daily`: one day out of the ledger, the cache, the journal, the audit file and a server's log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.events import Answered, CutoutEnded, Event, PictureEnded
from perkie_cli.domain.money.spend import Purchase, Usage
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.log import EventLog, handler_on
from tests.conftest import Perkie
from tests.pictures import file_of, photo

EVENTS: tuple[Event, ...] = (
    PictureEnded("ink_wash", "gemini", "nano", "miss", "ok", 6.0),
    PictureEnded("ink_wash", "gemini", "nano", "hit", "ok", 0.01),
    CutoutEnded("builtin", "u2netp", "miss", "ok", 1.0),
    PictureEnded("bw_fine_art", "local", "bw", "miss", "degraded", 2.0),
    PictureEnded("ink_wash", "gemini", "nano", "miss", "deadline_exceeded", 50.0),
)


def log_of(format_: Literal["text", "json"]) -> str:
    """A server's log of one request with all of these."""
    stream, logger = io.StringIO(), logging.getLogger("perkie.events")
    handler, before = handler_on(stream, format_), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    log = EventLog(wide=format_ == "json")
    try:
        with serving(CurrentRequest("r1", "a" * 32)):
            for event in (*EVENTS, Answered("POST", "/api/v2/process", 200, 60.0)):
                log.emit(event)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return stream.getvalue()


async def spend() -> None:
    services = build_services(Settings())
    for drawn, usd in ((True, "0.0357"), (False, "0.0005")):
        booking = await services.ledger.reserve(Purchase("nano", "ink_wash"), Decimal("0.04"), Decimal(10))
        await services.ledger.settle(booking, Usage(1, 10, 10, Decimal(usd)), drawn=drawn)
    await services.aclose()


@pytest.mark.parametrize("format_", ["text", "json"])
def test_a_day_s_digest(perkie_here: Perkie, tmp_path: Path, format_: Literal["text", "json"]) -> None:
    (tmp_path / "pet.jpg").write_bytes(file_of(photo(320, 280)))
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    drawn = perkie_here("stylize", "pet.jpg", "broken.jpg", "--style", "bw_fine_art", "--size", "256", "--out-dir", "o")
    assert drawn.returncode == 6, drawn.stderr
    perkie_here("quota", "grant", "1", "--customer", "42", "--yes")
    asyncio.run(spend())
    (tmp_path / "server.log").write_text(log_of(format_))
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    told = perkie_here("report", "daily", "server.log", "--day", today)
    assert told.returncode == 0, told.stderr
    lines = told.stdout.splitlines()
    assert lines[0] == f"# perkie on {today} (UTC)"
    for line in (
        "| spent | $0.0362 of the cap of $10.00 (0 %) |",
        "| of it | wasted $0.0005, unknown $0.00 |",
        "| pictures drawn | 1 (1 local) |",
        "| failed | 2 (1 deadline\\_exceeded, 1 not\\_an\\_image) |",
        "| top styles | 3 (2 ink\\_wash, 1 bw\\_fine\\_art) |",
        f"| changes by hand | 1 (perkie audit list --since {today}) |",
        "| from the cache | 1 (33 %) |",
        "| substitutes | 1 |",
        "| ink\\_wash | 2 | 1 | $0.0362 | $0.0005 |",
    ):
        assert line in lines, told.stdout
    summary = json.loads(perkie_here("report", "daily", "server.log", "--day", today, "--json").stdout)["summary"]
    assert (summary["served"]["pictures"], summary["served"]["found"], summary["changes"]) == (3, 1, 1)
    assert summary["drawn_by_engine"] == {"local": 1}


def test_a_day_without_anything(perkie_here: Perkie) -> None:
    told = perkie_here("report", "daily")
    assert told.returncode == 0, told.stderr
    assert "| pictures drawn | 0 |" in told.stdout
    assert "##" not in told.stdout


@pytest.mark.parametrize(("args", "code"), [(("--day", "yesterday"), 2), (("absent.log",), 3)])
def test_what_cannot_be_read_is_said(perkie_here: Perkie, args: tuple[str, ...], code: int) -> None:
    assert perkie_here("report", "daily", *args).returncode == code
