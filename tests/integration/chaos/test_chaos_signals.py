"""Ctrl-C, SIGTERM and SIGKILL at any moment: no fault stays, and the steady state is verified."""

from __future__ import annotations

import itertools
import random
import signal
import time
from pathlib import Path

import pytest

from tests.integration.chaos.experiments import Bucket, ChaosRun, Json, action, program

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def long(pets: Bucket) -> Json:
    """Seconds in the method and in the rollbacks."""
    method = [pets.hurt(first=1000, method="write"), action("a long wait", "wait", seconds="60s")]
    slow, last = action("a slow rollback", "wait", seconds="2s"), action("the last one", "wait", seconds=0)
    return pets.experiment(method, [slow, pets.heal(), last])


@pytest.mark.parametrize("number", [INT, TERM, HUP])
def test_three_signals_in_the_middle_leave_nothing_behind(pets: Bucket, tmp_path: Path, number: signal.Signals) -> None:
    run = ChaosRun(tmp_path, long(pets))
    run.wait_for("hurt it: succeeded")
    run.interrupt(number)
    run.wait_for("rollbacks")
    for _ in range(3):
        run.interrupt(number)
        time.sleep(0.2)
    code, found = run.end()
    assert code == 130
    assert [each["status"] for each in run.journal["rollbacks"]] == ["succeeded"] * 3
    assert run.steady_again
    assert run.journal["x-perkie"]["signals"] == [number.name] * 4
    assert set(found.values()) == {"interrupted"}
    assert pets.plan()["fault"] == []


def test_signals_during_the_rollbacks_alone_are_noted(pets: Bucket, tmp_path: Path) -> None:
    document = long(pets)
    document["method"] = [pets.hurt(), pets.call()]
    run = ChaosRun(tmp_path, document)
    run.wait_for("rollbacks")
    run.interrupt(INT, TERM)
    code, found = run.end()
    assert (code, set(found)) == (130, {"ran to its end"})
    assert [each["status"] for each in run.journal["rollbacks"]] == ["succeeded"] * 3
    assert run.steady_again


def test_who_is_told_to_stop_at_the_start_does_not_begin(tmp_path: Path) -> None:
    run = ChaosRun(tmp_path, "storage-down")
    run.wait_for("starting")
    run.interrupt(INT)
    code, _ = run.end()
    assert (code, run.journal["run"]) == (130, [])
    assert run.steady_again


def test_a_rollback_that_fails_is_told_even_of_an_interrupted_run(pets: Bucket, tmp_path: Path) -> None:
    document = long(pets)
    document["rollbacks"] = [program("undo", "false"), pets.heal()]
    run = ChaosRun(tmp_path, document, "--allow-providers", "process")
    run.wait_for("hurt it: succeeded")
    run.interrupt(INT)
    code, found = run.end()
    assert (code, found["rollback undo"]) == (99, "failed")
    assert pets.plan()["fault"] == []


def test_a_killed_command_does_not_leave_its_faults(pets: Bucket, tmp_path: Path) -> None:
    run = ChaosRun(tmp_path, long(pets))
    run.wait_for("hurt it: succeeded")
    assert pets.plan()["fault"] != []
    run.process.kill()
    run.process.wait()
    ends = time.monotonic() + 60
    while pets.plan()["fault"]:
        assert time.monotonic() < ends, "the rollbacks were not played"
        time.sleep(0.1)


def test_a_fault_ends_with_its_lease_if_even_the_rollbacks_are_killed(pets: Bucket, tmp_path: Path) -> None:
    document = long(pets)
    document["method"][0]["provider"]["arguments"]["faults"]["for"] = "3s"
    document["method"][1] = program("kill us all", "sh", "-c", "kill -9 $PPID")
    run = ChaosRun(tmp_path, document, "--allow-providers", "process")
    code, found = run.end()
    assert (code, found, run.journal_file.exists()) == (1, {}, False)
    ends = time.monotonic() + 60
    while pets.plan()["fault"]:
        assert time.monotonic() < ends, "the lease has no end"
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(12))
def test_signals_at_any_moment(pets: Bucket, tmp_path: Path, seed: int) -> None:
    """Also before the method, between its steps, in background activities and at the end."""
    dice = random.Random(seed)
    background = {**action("in the background", "wait", seconds="0.7s"), "background": True}
    method = [pets.hurt(first=1000, method="write"), background, action("a wait", "wait", seconds="0.5s")]
    rollbacks = [action("a slow rollback", "wait", seconds="0.3s"), pets.heal()]
    run = ChaosRun(tmp_path, pets.experiment(method, rollbacks))
    run.wait_for("is the steady state there?")
    for number in itertools.islice(itertools.cycle((INT, TERM)), 5):
        time.sleep(dice.uniform(0, 0.6))
        if run.process.poll() is None:
            run.interrupt(number)
    code, _ = run.end()
    assert code in (130, 98), "98: it came to its end, and nothing had met the fault"
    assert [each.get("status") for each in run.journal["rollbacks"]] == ["succeeded"] * 2
    assert run.steady_again
