"""The doctor: order, time limits, and what each verdict follows from."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from perkie_cli.cli.app import load_command
from perkie_cli.cli.commands.doctor import WIDTH, lines
from perkie_cli.domain.errors import WrongCredentials
from perkie_cli.ops import doctor
from perkie_cli.ops.doctor.checks.machine import clock_verdict
from perkie_cli.ops.doctor.examine import Probe, Verdict, examine
from perkie_cli.ops.doctor.said import Level, Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.server import SERVER_CHECKS
from perkie_cli.ops.doctor.table import CHECKS
from perkie_cli.system.threads import thread_workers

PAGE = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text("utf-8")


def saying(name: str, *said: Said, client: str | None = None) -> Probe:
    async def run() -> Sequence[Said]:
        return said

    return Probe(name, run, client)


def raising(name: str, problem: Exception) -> Probe:
    async def run() -> Sequence[Said]:
        raise problem

    return Probe(name, run)


async def examined(*probes: Probe, seconds: float = 60, offline: bool = False) -> Sequence[Verdict]:
    return await examine(probes, thread_workers(2), seconds=seconds, offline=offline)


async def test_errors_come_first_then_warnings_then_what_is_fine_then_what_was_skipped() -> None:
    found = await examined(
        saying("a", ok("fine"), warning("soon", "x")),
        saying("b", skipped("why")),
        saying("c", error("broken", "y")),
        saying("d", error("broken, too", "z"), ok("fine")),
    )
    assert [(each.check, each.said.level.value) for each in found] == [
        ("c", "error"),
        ("d", "error"),
        ("a", "warning"),
        ("a", "ok"),
        ("d", "ok"),
        ("b", "skipped"),
    ]


async def test_one_that_hangs_ends_at_its_limit_and_is_told_while_the_others_are_heard() -> None:
    async def hang() -> Sequence[Said]:
        await asyncio.Event().wait()
        return ()

    first, second = await examined(Probe("slow", hang), saying("quick", ok("fine")), seconds=0.01)
    assert (first.check, first.said.level, first.hung) == ("slow", Level.ERROR, True)
    assert "0.01 s" in first.said.message
    assert first.said.fix == "perkie doctor --only slow --time-limit 0.05"
    assert (second.check, second.hung) == ("quick", False)


async def test_a_thread_that_hangs_does_not_hold_up_the_verdict() -> None:
    gate, workers = threading.Event(), thread_workers(1)

    async def hang() -> Sequence[Said]:
        await workers.run(gate.wait, 60)
        return ()

    (found,) = await examined(Probe("dead disk", hang), seconds=0.01)
    gate.set()
    assert found.hung


async def test_all_run_at_once() -> None:
    meeting = asyncio.Barrier(3)

    async def run() -> Sequence[Said]:
        await meeting.wait()
        return [ok("met")]

    assert {each.said.message for each in await examined(*(Probe(name, run) for name in "abc"))} == {"met"}


async def test_an_error_of_perkie_s_is_its_message_and_its_hint_is_the_fix_without_secrets() -> None:
    problem = WrongCredentials("http://u:hush@host/ refuses the key", hint="Ask http://host/?key=hush for another.")
    (found,) = await examined(raising("a", problem))
    assert found.said.level is Level.ERROR
    assert "hush" not in f"{found.said}"
    assert found.said.fix == "Ask http://host/?key=**** for another."
    assert "hush" not in f"{ok('http://u:hush@host/')}"


async def test_a_check_that_breaks_is_a_finding_and_hides_no_other() -> None:
    found = await examined(raising("a", KeyError("x")), saying("b", warning("soon", "y")))
    assert [each.said.level for each in found] == [Level.ERROR, Level.WARNING]
    assert "KeyError" in found[0].said.message


async def test_offline_what_needs_the_network_is_skipped_and_not_run() -> None:
    fails = Probe("net", raising("net", AssertionError("it was run")).run, client="httpx2")
    found = await examined(fails, saying("disk", ok("fine")), offline=True)
    assert [(each.check, each.said.level) for each in found] == [("disk", Level.OK), ("net", Level.SKIPPED)]


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0, "ok"), (30, "ok"), (-30, "ok"), (31, "warning"), (-31, "warning"), (300, "warning"), (301, "error")],
)
def test_a_clock_may_be_half_a_minute_off(seconds: int, level: str) -> None:
    said = clock_verdict(timedelta(seconds=seconds))
    assert said.level == level
    assert seconds in (0, 30, -30) or f"{abs(seconds)} s {'ahead' if seconds > 0 else 'behind'}" in said.message


def test_lines_fit_80_columns_but_commands_and_paths_stay_whole() -> None:
    path = "/srv/" + "a" * 100
    long = Verdict("security.files", warning("word " * 60 + path, f"chmod 600 {path} and then some"))
    told = list(lines(long))
    assert all(len(line) <= WIDTH for line in told if path not in line)
    assert told[-1].endswith(f"fix: chmod 600 {path} and then some")
    assert any(line.endswith(path) for line in told[:-1])


def test_the_page_has_the_table_of_checks() -> None:
    rows = re.findall(r"(?m)^\| `([\w.]+)` \| (.*) \|$", PAGE)
    known = [(name, check.title) for name, check in CHECKS.items()]
    assert rows == known + [(name, title) for name, (title, _) in SERVER_CHECKS.items()]


def test_what_a_fix_tells_to_type_exists() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in Path(doctor.__file__).parent.rglob("*.py"))
    typed = set(re.findall(r'"perkie ((?:[a-z-]+ ?)+)', sources))
    assert len(typed) >= 8
    for each in typed:
        name, *rest = [word for word in each.split() if not word.startswith("-")]
        command = load_command(name)
        if (inner := getattr(command, "commands", None)) is not None:
            assert rest[:1], f"{each} is no command"
            command = inner[rest[0]]
        flags = {flag for param in command.params for flag in param.opts}
        assert {word for word in each.split() if word.startswith("--")} <= flags, each
