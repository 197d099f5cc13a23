"""``perkie quota`` as a process."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Perkie
from tests.e2e.test_command_line import HEAVY, imported


def records(home: Path) -> list[dict[str, str]]:
    lines = (home / "state" / "perkie" / "audit.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_show_of_somebody_new_is_all_left(perkie: Perkie) -> None:
    done = perkie("quota", "show", "--customer", "42")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("customer:42  0 of 5 used, 5 left until ")


def test_show_imports_nothing_heavy() -> None:
    assert imported("quota", "show", "--customer", "42").isdisjoint({*HEAVY, "rich"})


def test_grant_and_reset_leave_records_of_who_what_before_and_after(perkie: Perkie, home: Path) -> None:
    granted = perkie("quota", "grant", "3", "--ip", "203.0.113.9", "--yes", "--json")
    assert granted.returncode == 0, granted.stderr
    results = json.loads(granted.stdout)["results"]
    assert [(each["counter"], each["before"]["limit"], each["after"]["limit"]) for each in results] == [
        ("ip:203.0.113.9", 5, 8),
        ("ceiling:203.0.113.9", 30, 33),
    ]
    assert perkie("quota", "reset", "--customer", "42", "--yes").returncode == 0
    grant, ceiling, reset = records(home)
    assert (grant["action"], grant["target"]) == ("quota.grant", "ip:203.0.113.9")
    assert (grant["before"], grant["after"]) == (
        "used 0, in flight 0, granted 0",
        "used 0, in flight 0, granted 3",
    )
    assert "@" in grant["actor"]
    assert grant["time"]
    assert (ceiling["target"], reset["action"]) == ("ceiling:203.0.113.9", "quota.reset")
    shown = json.loads(perkie("quota", "show", "--all", "--json").stdout)
    assert [each["counter"] for each in shown["results"]] == ["ceiling:203.0.113.9", "ip:203.0.113.9"]


def test_a_dry_run_and_a_missing_yes_change_nothing(perkie_here: Perkie, home: Path) -> None:
    assert "would grant 3 to customer:42" in perkie_here("quota", "grant", "3", "--customer", "42", "--dry-run").stdout
    refused = perkie_here("quota", "grant", "3", "--customer", "42")
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert "0 of 5 used" in perkie_here("quota", "show", "--customer", "42").stdout
    assert not (home / "state" / "perkie" / "audit.jsonl").exists()


def test_pictures_are_booked_by_hand_over_the_limit_and_recorded(perkie_here: Perkie, home: Path) -> None:
    charge = ("quota", "charge", "9", "--customer", "42")
    assert "would charge 9 to customer:42  0 of 5 used" in perkie_here(*charge, "--dry-run").stdout
    assert (perkie_here(*charge).returncode, perkie_here(*charge, "--ip", "203.0.113.9").returncode) == (2, 2)
    assert perkie_here(*charge, "--yes").stdout.startswith("customer:42  9 of 5 used, 0 left")
    (record,) = records(home)
    assert (record["action"], record["after"]) == ("quota.charge", "used 9, in flight 0, granted 0")


def test_a_grant_that_takes_nothing_back_names_what_books_use(perkie_here: Perkie) -> None:
    done = perkie_here("quota", "grant", "--customer", "42", "--yes", "--", "-5")
    assert done.returncode == 0
    assert "nothing changed: there was no grant to take back; `perkie quota charge N`" in done.stderr
    assert perkie_here("quota", "show", "--all").stdout == ""


@pytest.mark.parametrize("verb", ["charge", "grant"])
def test_what_is_taken_back_is_told_when_it_is_less_than_was_asked_for(perkie_here: Perkie, verb: str) -> None:
    change = ("quota", verb, "--customer", "42", "--yes")
    assert "only" not in perkie_here(*change, "4").stderr
    said = "only 4 of 9 were taken back from customer:42: it had no more"
    done = perkie_here(*change, "--", "-9")
    assert (done.returncode, done.stderr) == (0, f"warning: {said}\n")
    for asked, warnings in (("-9", [said]), ("-4", [])):
        perkie_here(*change, "4")
        answer = json.loads(perkie_here(*change, "--json", "--", asked).stdout)
        assert answer["warnings"] == warnings
        assert [each["pictures"] for each in answer["results"]] == [-4]


@pytest.mark.parametrize("count", ["0", "99999999999999999999"])
def test_a_grant_of_nothing_or_of_more_than_stores_can_count_is_refused(perkie_here: Perkie, count: str) -> None:
    assert perkie_here("quota", "grant", count, "--customer", "42", "--yes").returncode == 2


def test_a_change_that_leaves_no_audit_record_says_so(perkie_here: Perkie, home: Path) -> None:
    (home / "state/perkie/audit.jsonl").mkdir(parents=True)
    done = perkie_here("quota", "grant", "3", "--customer", "42", "--yes")
    assert done.returncode == 0
    assert "warning: no audit record was written" in done.stderr


@pytest.mark.parametrize("id_", ["../42", "a\x1bb", "x" * 129, ""])
def test_an_id_that_is_none_is_bad_input(perkie_here: Perkie, id_: str) -> None:
    done = perkie_here("quota", "show", "--customer", id_)
    assert done.returncode == 3
    assert "is not valid" in done.stderr


@pytest.mark.parametrize("flags", [[], ["--all", "--customer", "42"]])
def test_whose_quota_must_be_said_once(perkie_here: Perkie, flags: list[str]) -> None:
    assert perkie_here("quota", "reset", "--yes", *flags).returncode == 2


def test_a_store_that_is_no_database_is_a_sentence(perkie_here: Perkie, tmp_path: Path) -> None:
    broken = tmp_path / "quotas.sqlite"
    broken.write_bytes(b"no database at all, whatever the name says" * 100)
    done = perkie_here("quota", "show", "--customer", "42", env={"PERKIE_QUOTA_PATH": str(broken)})
    assert done.returncode == 9
    assert str(broken) in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(("answer", "exit_code"), [(b"y\n", 2), (b"all\n", 0)])
def test_all_needs_the_word_typed(perkie_here: Perkie, tmp_path: Path, answer: bytes, exit_code: int) -> None:
    perkie_here("quota", "grant", "3", "--customer", "42", "--yes")
    perkie_here("quota", "grant", "1", "--customer", "7", "--yes")
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "perkie_cli", "quota", "reset", "--all"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdin=end,
        stderr=end,
        stdout=subprocess.PIPE,
    )
    os.close(end)
    asked = b""
    while b"[all]" not in asked:
        asked += os.read(terminal, 1000)
    os.write(terminal, answer)
    output, _ = process.communicate(timeout=60)
    os.close(terminal)
    assert process.returncode == exit_code
    assert b"Reset 2 counters" in asked
    assert (b"customer:42" in output) == (exit_code == 0)


def test_a_metered_stylize_counts_only_what_costs(perkie_here: Perkie, cat: Path) -> None:
    command = (
        "stylize",
        cat,
        "--style",
        "ink_wash",
        "--size",
        "256",
        "--customer",
        "42",
        "--engine",
        "local",
        "--json",
    )

    def quota_after(*flags: str, **env: str) -> dict[str, object]:
        done = perkie_here(*command, *flags, env={"PERKIE_QUOTA_CUSTOMER": "1", **env})
        assert done.returncode == 0, done.stdout
        result: dict[str, object] = json.loads(done.stdout)["results"][0]["quota"]
        return result

    local = quota_after()
    assert (local["used"], local["remaining"], local["warning"]) == (0, 1, "last")
    counted = quota_after("--refresh", PERKIE_QUOTA_COUNT_LOCAL="1")
    assert (counted["used"], counted["remaining"], counted["warning"]) == (1, 0, "exhausted")
    over = perkie_here(*command, "--refresh", env={"PERKIE_QUOTA_CUSTOMER": "1", "PERKIE_QUOTA_COUNT_LOCAL": "1"})
    assert over.returncode == 7
    assert "1 of 1 free pictures of today are used" in over.stdout
