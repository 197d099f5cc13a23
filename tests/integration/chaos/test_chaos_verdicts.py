"""What makes an experiment pass, fail, or say nothing: exit codes 0, 99 and 98."""

from __future__ import annotations

import json
import os
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import ROOT
from tests.integration.chaos.experiments import Bucket, ChaosRun, action, http, program

TOUCHY = ("--allow-providers", "process")


def test_an_experiment_that_passes_is_verified_again_and_reported(pets: Bucket, tmp_path: Path) -> None:
    files = {suffix: tmp_path / f"report{suffix}" for suffix in (".xml", ".md")}
    flags = [word for file in files.values() for word in ("--report", str(file))]
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    document = pets.experiment([pets.hurt(), pets.call(), pets.heal()], [pets.heal()])
    run = ChaosRun(tmp_path, document, *flags, "--summary", str(summary))
    code, found = run.end()
    assert (code, found) == (0, {})
    assert run.steady_again
    assert run.journal["status"] == "completed"
    assert [each["status"] for each in run.journal["rollbacks"]] == ["succeeded"]
    suite = ET.fromstring(files[".xml"].read_text()).find("testsuite")
    assert suite is not None
    assert (suite.get("failures"), suite.get("errors"), len(suite.findall("testcase"))) == ("0", "0", 9)
    assert "passed: all 9 checks hold" in files[".md"].read_text("utf-8")
    assert summary.read_text("utf-8") == "before\n" + files[".md"].read_text("utf-8")


def test_a_fault_that_nothing_met_says_nothing(pets: Bucket, tmp_path: Path) -> None:
    # the steady state after the method would meet it; a fault that has ended by itself was met by nobody, too
    document = pets.experiment([pets.hurt("300ms"), action("wait", "wait", seconds="400ms")], [])
    code, found = ChaosRun(tmp_path, document).end()
    assert (code, found) == (98, {f"faults of {pets.url} were met": "invalid"})


def test_a_fault_that_is_left_behind_is_a_failure_and_removed(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([pets.hurt(), pets.call()], [])
    code, found = ChaosRun(tmp_path, document).end()
    assert (code, found) == (99, {f"faults of {pets.url} are gone": "failed"})
    assert pets.plan()["fault"] == []


def test_a_steady_state_that_is_not_there_before_says_nothing(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([pets.hurt(), pets.call()], [pets.heal()])
    document["steady-state-hypothesis"]["probes"][0]["tolerance"] = 404
    run = ChaosRun(tmp_path, document)
    code, found = run.end()
    assert (code, found["steady state before"]) == (99, "invalid"), "it is not there in the end, either"
    assert run.journal["run"] == [], "the method is not played"
    assert [each["status"] for each in run.journal["rollbacks"]] == ["succeeded"], "the rollbacks are"


def test_a_steady_state_that_is_lost_fails(pets: Bucket, tmp_path: Path) -> None:
    run = ChaosRun(tmp_path, pets.experiment([pets.hurt()], [pets.heal()]))
    code, found = run.end()
    assert (code, found) == (99, {"steady state after the method": "failed"})
    assert "it lists" in run.said[-1]
    assert run.journal["deviated"] is True
    assert run.steady_again


def test_a_steady_state_that_does_not_come_back_fails(pets: Bucket, tmp_path: Path) -> None:
    """Chaos Toolkit alone would call this a success: it does not look again."""
    late = pets.hurt("1m", first=5)
    late["name"] = "a rollback that hurts"
    document = pets.experiment([], [late])
    run = ChaosRun(tmp_path, document)
    code, found = run.end()
    assert code == 99
    assert found["steady state after the rollbacks"] == "failed"
    assert run.journal["status"] == "completed"


@pytest.mark.parametrize("kind", ["http", "process", "python"])
def test_a_rollback_that_fails_makes_the_run_fail(pets: Bucket, tmp_path: Path, kind: str) -> None:
    """Chaos Toolkit calls the first two a success."""
    rollbacks = {
        "http": http("undo", f"{pets.url}/storage/v1/b/none", kind="action"),
        "process": program("undo", "false"),
        "python": action("undo", "clear_faults", emulator="http://127.0.0.1:1"),
    }
    code, found = ChaosRun(tmp_path, pets.experiment([], [rollbacks[kind]]), *TOUCHY).end()
    assert (code, found) == (99, {"rollback undo": "failed"})


@pytest.mark.parametrize("kind", ["http", "process", "python"])
def test_an_action_that_did_not_happen_says_nothing(pets: Bucket, tmp_path: Path, kind: str) -> None:
    actions = {
        "http": http("do", f"{pets.url}/storage/v1/b/none", kind="action"),
        "process": program("do", "false"),
        "python": action("do", "clear_faults", emulator="http://127.0.0.1:1"),
    }
    code, found = ChaosRun(tmp_path, pets.experiment([actions[kind]], []), *TOUCHY).end()
    assert (code, found) == (98, {"action do": "invalid"})


def test_a_probe_of_the_method_that_fails_is_a_failure(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([http("look", "http://127.0.0.1:1/")], [])
    code, found = ChaosRun(tmp_path, document).end()
    assert (code, found) == (99, {"probe look": "failed"})


def test_an_experiment_without_a_steady_state_is_an_exploration(pets: Bucket, tmp_path: Path) -> None:
    document = {"title": "t", "description": "d", "method": [pets.hurt(), pets.call()], "rollbacks": [pets.heal()]}
    run = ChaosRun(tmp_path, document)
    assert run.end()[0] == 0
    assert run.journal["x-perkie"]["steady_state_after_rollbacks"] is None


def test_an_error_in_a_rollback_does_not_keep_the_others_back(pets: Bucket, tmp_path: Path) -> None:
    """Chaos Toolkit breaks off at an error that is not of its own."""
    broken = http("undo", "http://127.0.0.1:port/", kind="action")
    run = ChaosRun(tmp_path, pets.experiment([pets.hurt(), pets.call()], [broken, pets.heal(), broken]))
    code, found = run.end()
    assert (code, found.pop("rollback undo"), set(found)) == (99, "failed", {"ran to its end"})
    assert [each["status"] for each in run.journal["rollbacks"]] == ["failed", "succeeded", "failed"]
    assert run.steady_again


def test_an_error_in_the_steady_state_does_not_keep_the_rollbacks_back(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([pets.hurt(first=1000, method="write")], [pets.heal()])
    probe = action("compare", "wait", seconds=0)
    document["steady-state-hypothesis"]["probes"].append({**probe, "type": "probe", "tolerance": [1, 2]})
    run = ChaosRun(tmp_path, document)
    code, found = run.end()
    assert (code, found["steady state after the rollbacks"]) == (99, "failed")
    assert "TypeError" in run.stderr
    assert [each["status"] for each in run.journal["rollbacks"]] == ["succeeded"]


def test_a_dry_run_does_nothing(pets: Bucket, tmp_path: Path) -> None:
    """Chaos Toolkit's library ignores the word, which its own command reads."""
    document = pets.experiment([pets.hurt()], [pets.heal()], dry="actions")
    run = ChaosRun(tmp_path, document)
    assert run.end() == (0, {})
    assert pets.plan()["fault"] == []
    assert run.journal["run"][0]["output"] is None


def test_what_an_action_prints_does_not_come_between(pets: Bucket, tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import os, sys\n"
        "def speak():\n"
        '    print(\'{"verdict": "passed"}\')\n'
        "    os.write(1, b'not JSON')\n"
        "    return {(1, 2): object(), 'bytes': b'x', 'nan': float('nan')}\n"
    )
    provider = {"type": "python", "module": "loud", "func": "speak"}
    document = pets.experiment([{"name": "speak", "type": "action", "provider": provider}], [])
    path = {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    run = ChaosRun(tmp_path, document, "--allow-providers", "python", env=path)
    assert run.end() == (0, {})


def test_a_child_that_cannot_begin_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "chaoslib").mkdir()
    (tmp_path / "chaoslib" / "__init__.py").write_text("import os\nos._exit(7)\n")
    path = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    run = ChaosRun(tmp_path, "storage-down", env=path)
    assert run.process.wait(60) == 1
    assert run.process.stdout is not None
    run.process.stdout.close()


def test_the_users_own_settings_are_not_read(pets: Bucket, tmp_path: Path) -> None:
    home = tmp_path / "home" / ".chaostoolkit"
    home.mkdir(parents=True)
    (home / "settings.yaml").write_text("runtime:\n  rollbacks:\n    strategy: never\n")
    document = pets.experiment([pets.hurt(), pets.call()], [pets.heal()])
    run = ChaosRun(tmp_path, document, env={"HOME": str(home.parent)})
    assert run.end()[0] == 0
    assert len(run.journal["rollbacks"]) == 1


def test_proxies_do_not_come_between(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([pets.hurt(), pets.call(), pets.heal()], [])
    proxies = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), "http://127.0.0.1:1")
    assert ChaosRun(tmp_path, document, env={**proxies, "NO_PROXY": "", "no_proxy": ""}).end()[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{\n"title": "t",\n"description": "d",\n"method": [{"type": "act"}]}', "mine.json:4: method[0]: 'act'"),
        ("{", "mine.json:1: not JSON"),
        ('{"title": "t", "description": "d", "method": [], "rollback": []}', "rollback: is not a field"),
    ],
)
def test_bad_input_is_told_before_anything_starts(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.json").write_text(text)
    run = ChaosRun(tmp_path, str(tmp_path / "mine.json"))
    code, _ = run.end()
    assert (code, said in run.stderr) == (3, True), run.stderr
    assert not any("starting" in line for line in run.said)
    assert not run.journal_file.exists()


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (("--report", "a.pdf"), 2),
        (("--report", "no/such/folder/a.md"), 3),
        (("--allow-providers", "shell"), 3),
        (("--summary", os.devnull + "/x"), 3),
    ],
)
def test_a_wrong_flag_is_told_before_anything_starts(tmp_path: Path, flags: tuple[str, str], code: int) -> None:
    run = ChaosRun(tmp_path, "gemini-outage", *flags)
    assert run.end()[0] == code
    assert not any("starting" in line for line in run.said)


@pytest.mark.parametrize(("rollback", "code"), [("true", 3), ("false", 99)])
def test_a_report_that_cannot_be_written_loses_nothing_else(
    pets: Bucket, tmp_path: Path, rollback: str, code: int
) -> None:
    full = tmp_path / "full.md"
    full.symlink_to("/dev/full")
    document = pets.experiment([], [program("undo", rollback)])
    run = ChaosRun(tmp_path, document, *TOUCHY, "--report", str(full))
    assert run.end()[0] == code
    assert "full.md cannot be written: No space left" in run.stderr
    assert "rollback undo" in run.out


def test_a_server_that_does_not_start_is_told(tmp_path: Path) -> None:
    run = ChaosRun(tmp_path, "gemini-outage", "--server", "false")
    code, _ = run.end()
    assert (code, "server did not start" in run.stderr) == (5, True)


def test_the_envelope_has_every_check(pets: Bucket, tmp_path: Path) -> None:
    document = pets.experiment([pets.hurt()], [pets.heal()])
    run = ChaosRun(tmp_path, document, "--json")
    assert run.end()[0] == 99
    envelope = json.loads(run.out)
    assert (envelope["command"], envelope["ok"], envelope["error"]["code"]) == (
        "load-test chaos",
        False,
        "thresholds_failed",
    )
    assert [row["check"] for row in envelope["results"]] == [
        row["check"] for row in run.journal["x-perkie"]["findings"]
    ]
    assert envelope["summary"]["verdict"] == "failed"
