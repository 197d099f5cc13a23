"""What was recorded is read again by those who are on call: `perkie audit list` and `perkie events`."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.domain.events import Answered, Audited, AuditLost, Degraded, Event, PictureEnded, StoreFailed
from perkie_cli.domain.people.identity import Owner
from perkie_cli.http.request.owner_tag import OwnerTags
from perkie_cli.system.current_request import CurrentRequest, serving
from perkie_cli.telemetry.audit import AuditLog
from perkie_cli.telemetry.log import EventLog, handler_on
from tests.clock import ManualClock
from tests.conftest import Perkie
from tests.events import Recorder

SECRET = "a link secret of a server"
ANNA = OwnerTags(SECRET.encode())(Owner.customer("42"))


def written(events: Sequence[tuple[str, str, Event]], format_: Literal["text", "json"]) -> str:
    """The log of these events, each of a request and an owner."""
    stream, logger = io.StringIO(), logging.getLogger("perkie.events")
    handler, before = handler_on(stream, format_), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        for request, owner, event in events:
            with serving(CurrentRequest(request, "a" * 32, "shop", owner)):
                EventLog().emit(event)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)
    return stream.getvalue()


EVENTS = (
    ("r1", ANNA, PictureEnded("ink_wash", "gemini", "nano", "miss", "ok", 6.0)),
    ("r2", ANNA, Degraded("ink_wash", "upstream_timeout", "local", "local", "no answer [maybe]", "Wait.")),
    ("r3", "customer:ffff", StoreFailed("disk:/x", "write", "the disk is full", "Free some space.")),
    ("r3", "customer:ffff", Answered("POST", "/api/v1/generate", 200, 0.5)),
)


def found(perkie: Perkie, *args: str) -> list[dict[str, Any]]:
    done = perkie("events", *args, "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["results"]
    assert isinstance(rows, list)
    return rows


@pytest.mark.parametrize("format_", ["text", "json"])
@pytest.mark.parametrize("before", ["", "Nov 30 00:00:00 host perkie[12]: "])
def test_failures_are_found_in_the_log_of_either_form(
    perkie_here: Perkie, tmp_path: Path, format_: Literal["text", "json"], before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "server.log"
    noise = 'listening on http://127.0.0.1:8080\n  File "x.py", line 1\n{"severity": 3}\n{"severity"\n\n'
    lines = written(EVENTS, format_).splitlines()
    log.write_text(noise + "".join(f"{before}{line}\n" for line in lines))
    rows = found(perkie_here, str(log))
    assert [(each["event"], each["request_id"], each["level"]) for each in rows] == [
        ("degraded", "r2", "WARNING"),
        ("store_failed", "r3", "WARNING"),
    ]
    assert rows[0]["message"].endswith("cause=no answer [maybe] (Wait.)")
    assert rows[0]["owner"] == ANNA
    assert [each["request_id"] for each in found(perkie_here, str(log), "--request", "r1")] == ["r1"]
    monkeypatch.setenv("PERKIE_HTTP_LINK_SECRET", SECRET)
    assert [each["event"] for each in found(perkie_here, str(log), "--customer", "42")] == ["picture_ended", "degraded"]
    assert found(perkie_here, str(log), "--since", "2099-01-01") == []
    assert len(found(perkie_here, str(log), "--level", "debug")) == 4
    assert [each["request_id"] for each in found(perkie_here, str(log), "--limit", "1")] == ["r3"]


def test_people_see_what_failed_and_how_often(perkie_here: Perkie, tmp_path: Path) -> None:
    log = tmp_path / "server.log"
    log.write_text(written(EVENTS, "text"))
    done = perkie_here("events", str(log))
    assert "cause=no answer" in done.stdout
    assert "2 in all: 1 degraded, 1 store_failed" in done.stdout


def test_a_message_that_repeats_stands_once_and_so_does_each_hint(perkie_here: Perkie, tmp_path: Path) -> None:
    slow = [
        (
            f"r{number}",
            ANNA,
            Degraded("ink_wash", "late", "local", "local", "no answer (after 30 s)", f"Wait {number}."),
        )
        for number in range(6)
    ]
    once = ("r9", ANNA, Degraded("van_gogh", "late", "local", "local", "no answer (after 30 s)", "Wait 5."))
    log = tmp_path / "server.log"
    log.write_text(written([*slow, once], "text"))
    told = perkie_here("events", str(log), "--limit", "2").stdout
    assert len(re.findall(r"style=ink_wash.*cause=no answer \(after 30 s\) \[1\]", told)) == 1
    assert re.search(r"6 times since \S+ \S+: degraded: style=ink_wash", told)
    assert (told.count("[1] Wait 5."), told.count("Wait")) == (1, 1), "the last hint"
    assert "7 in all: 7 degraded" in told
    assert len(found(perkie_here, str(log))) == 7
    assert "times since" not in perkie_here("events", str(log), "--request", "r3").stdout


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        ((), 2, "which log?"),
        (("absent.log",), 3, "absent.log cannot be read"),
        (("-", "--level", "loud"), 3, "'loud' is not a level"),
        (("-", "--since", "soon"), 3, "neither a duration nor a time"),
        (("-", "--customer", "42"), 4, "http.link_secret, which is not set here"),
        (("-", "--customer", "42", "--session", "s"), 2, "exclude each other"),
    ],
)
def test_what_cannot_be_read_is_said(perkie_here: Perkie, args: tuple[str, ...], code: int, told: str) -> None:
    done = perkie_here("events", *args)
    assert done.returncode == code
    assert told in done.stderr


def test_another_program_s_log_is_not_taken_for_one_without_failures(perkie_here: Perkie, tmp_path: Path) -> None:
    log = tmp_path / "other.log"
    for text in ("", "Nov 30 08:00:00 host nginx[1]: worker died\n"):
        log.write_text(text)
        done = perkie_here("events", str(log))
        assert (done.returncode, f"no line of {log} is one of perkie's log" in done.stderr) == (0, True), done.stderr
    log.write_text(written(EVENTS[:1], "text"))
    assert perkie_here("events", str(log)).stderr == "nothing of that is in the log\n"


def test_changes_are_listed_with_who_made_them(perkie_here: Perkie) -> None:
    for args in (("grant", "3", "--customer", "42"), ("grant", "2", "--customer", "423"), ("reset", "--session", "s1")):
        assert perkie_here("quota", *args, "--yes").returncode == 0
    rows = json.loads(perkie_here("audit", "list", "--json").stdout)["results"]
    assert [(each["action"], each["target"]) for each in rows] == [
        ("quota.grant", "customer:42"),
        ("quota.grant", "customer:423"),
        ("quota.reset", "session:s1"),
    ]
    assert "@" in rows[0]["actor"]
    assert rows[0]["after"].endswith("granted 3")
    only = json.loads(perkie_here("audit", "list", "--customer", "42", "--action", "quota", "--json").stdout)
    assert [each["target"] for each in only["results"]] == ["customer:42"]
    table = perkie_here("audit", "list", "--limit", "1")
    assert "session:s1" in table.stdout
    assert "2 older ones; --limit 3 shows them" in table.stderr
    assert perkie_here("audit", "list", "--since", "2099-01-01").stderr.strip() == "no change since then"


def test_many_changes_of_one_kind_in_a_row_are_shortened(perkie_here: Perkie) -> None:
    perkie_here("quota", "grant", "3", "--customer", "42", "--yes")
    path = Path(json.loads(perkie_here("audit", "list", "--json").stdout)["summary"]["file"])
    made = {"time": "2026-11-29T00:00:00+00:00", "action": "monitor.create", "actor": "root@vm"}
    lines = [json.dumps({**made, "target": f"policy {number}"}) + "\n" for number in range(40)]
    path.write_text("".join(lines) + path.read_text())
    _, first, between, last, grant = perkie_here("audit", "list").stdout.splitlines()
    assert ("policy 0" in first, between.strip(), "policy 39" in last) == (True, "… 38 more", True)
    assert "customer:42" in grant
    assert len(json.loads(perkie_here("audit", "list", "--json").stdout)["results"]) == 41


def test_a_torn_record_does_not_hide_the_others(perkie_here: Perkie) -> None:
    perkie_here("quota", "grant", "3", "--customer", "42", "--yes")
    path = Path(json.loads(perkie_here("audit", "list", "--json").stdout)["summary"]["file"])
    path.write_text('{"time": "2026-11-\n[]\n{"time": "2026-11-29"}\n' + path.read_text())
    done = perkie_here("audit", "list")
    assert "customer:42" in done.stdout
    assert "3 lines of" in done.stderr


def test_a_record_behind_a_torn_one_is_not_lost(perkie_here: Perkie) -> None:
    perkie_here("quota", "grant", "3", "--customer", "1", "--yes")
    path = Path(json.loads(perkie_here("audit", "list", "--json").stdout)["summary"]["file"])
    path.write_text(path.read_text() + '{"time": "2026-11-29T00:00:00+00:00", "acti')
    perkie_here("quota", "grant", "3", "--customer", "42", "--yes")
    done = perkie_here("audit", "list", "--json")
    rows = json.loads(done.stdout)
    assert [each["target"] for each in rows["results"]] == ["customer:1", "customer:42"]
    assert rows["warnings"] == [f"1 lines of {path} are no audit records and were left out"]


@pytest.mark.parametrize(
    "wrong", [{"action": 7}, {"target": ["customer:42"]}, {"detail": None}, {"before": {}}, {"time": 12}], ids=str
)
def test_a_record_with_other_types_is_none(perkie_here: Perkie, wrong: dict[str, Any]) -> None:
    perkie_here("quota", "grant", "3", "--customer", "7", "--yes")
    path = Path(json.loads(perkie_here("audit", "list", "--json").stdout)["summary"]["file"])
    written = path.read_text()
    path.write_text(json.dumps({**json.loads(written), **wrong}) + "\n" + written)
    answer = json.loads(perkie_here("audit", "list", "--json").stdout)
    assert [each["target"] for each in answer["results"]] == ["customer:7"]
    assert answer["warnings"] == [f"1 lines of {path} are no audit records and were left out"]


def test_half_a_surrogate_pair_is_shown_escaped(perkie: Perkie) -> None:
    perkie("quota", "grant", "3", "--customer", "7", "--yes")
    path = Path(json.loads(perkie("audit", "list", "--json").stdout)["summary"]["file"])
    path.write_text(json.dumps({**json.loads(path.read_text()), "target": "cat\ud800.png"}) + "\n")
    done = perkie("audit", "list")
    assert (done.returncode, "cat\\ud800.png" in done.stdout) == (0, True), done.stderr


def test_a_record_that_has_no_room_is_told_as_lost(tmp_path: Path) -> None:
    log, told = tmp_path / "audit.jsonl", Recorder()
    audit = AuditLog(log, ManualClock(), told.emit)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50, before[1]))
    try:
        audit.write(Audited("cache purge", "disk:/c owner=customer:42", "tester", "begun"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert log.stat().st_size == 50, "half of it"
    assert told.events == [AuditLost(str(log), "No space left on device")]
    audit.write(Audited("cache purge", "disk:/c owner=customer:43", "tester", "begun"))
    assert [each.target for each in audit.records()] == ["disk:/c owner=customer:43"]


def test_an_erased_customer_s_folders_concern_the_customer(perkie_here: Perkie) -> None:
    perkie_here("quota", "grant", "3", "--customer", "7", "--yes")
    path = Path(json.loads(perkie_here("audit", "list", "--json").stdout)["summary"]["file"])
    purge = {"time": "2026-11-29T00:00:00+00:00", "action": "cache purge", "target": "disk:/c generated/customers/42/"}
    path.write_text(path.read_text() + json.dumps({**purge, "actor": "root@vm"}) + "\n")
    rows = json.loads(perkie_here("audit", "list", "--customer", "42", "--action", "cache.purge", "--json").stdout)
    assert [each["action"] for each in rows["results"]] == ["cache purge"]


def test_quota_show_tells_when_pictures_were_counted(perkie_here: Perkie) -> None:
    async def use() -> None:
        services = build_services(Settings())
        charge = services.quota_limits.charge(Owner.customer("42"))
        async with services.quotas.reserve(charge, 60) as reservation:
            await reservation.commit()
        await services.aclose()

    asyncio.run(use())
    told = perkie_here("quota", "show", "--customer", "42").stdout
    assert re.search(r"counted at \d\d:\d\d:\d\d UTC; which ones: perkie events LOG --customer 42", told)
    (row,) = json.loads(perkie_here("quota", "show", "--customer", "42", "--json").stdout)["results"]
    assert len(row["uses"]) == row["used"] == 1
    assert "counted at" not in perkie_here("quota", "show", "--all").stdout
