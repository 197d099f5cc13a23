"""Actions and probes against real processes: signals, restarts, a full disk, a wrong clock; and that nothing stays."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from perkie_cli.loadtest.chaos import actions, probes
from perkie_cli.loadtest.chaos.document.plan import Plan
from perkie_cli.loadtest.chaos.faults import look_at_faults
from perkie_cli.loadtest.chaos.probes import NotSo
from perkie_cli.loadtest.chaos.stage.disk import Disk, small_disk
from perkie_cli.loadtest.chaos.stage.stage import DidNotHappen, Stage, current, record, staged
from perkie_cli.loadtest.chaos.verdict import Finding, Verdict
from tests.conftest import ROOT

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged(Plan(("storage",), {"http.generate_deadline": "20s"})) as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_recorded() -> Iterator[None]:
    yield
    record.planned.clear()
    record.skewed.clear()
    record.replaced.clear()


def health(stage: Stage) -> int:
    try:
        with urllib.request.urlopen(f"{stage.url('server')}/health", timeout=1) as answer:
            return int(answer.status)
    except (TimeoutError, urllib.error.URLError):
        return 0


def test_a_paused_server_hangs_and_goes_on(stage: Stage) -> None:
    actions.pause("server", "60s")
    assert health(stage) == 0
    with pytest.raises(NotSo, match="lets them hang"):
        probes.refuses_connections(within="1s")
    actions.resume("server")
    assert probes.ready()


def test_a_pause_ends_by_itself(stage: Stage) -> None:
    actions.pause("server", "300ms")
    assert probes.ready(within="30s")


def test_a_killed_process_comes_back_at_its_address(stage: Stage) -> None:
    before = stage.addresses
    for name in ("server", "storage"):
        actions.kill(name)
        with pytest.raises(DidNotHappen, match=f"{name} does not run"):
            actions.kill(name)
        assert probes.refuses_connections(name)
        actions.start(name)
        actions.start(name)  # it runs already
    actions.restart("server")
    assert probes.ready()
    assert stage.addresses == before


def test_a_server_that_is_told_to_stop_ends_with_0(stage: Stage) -> None:
    actions.terminate("server")
    assert probes.ended("server")
    with pytest.raises(NotSo, match="ended with 0"):
        probes.ended("server", code=1)
    actions.start("server")


def test_a_wrong_clock_is_seen_and_must_be_set_right(stage: Stage) -> None:
    actions.set_clock("storage", {"offset": 3600, "for": "60s"})
    (left,) = look_at_faults()
    assert (left.verdict, left.message) == (Verdict.FAILED, "the rollbacks left it behind")
    assert look_at_faults() == [Finding(left.check)], "it was set right"


def test_an_emulator_that_died_with_its_fault_says_nothing(stage: Stage) -> None:
    actions.set_faults("storage", {"for": "60s", "fault": [{"kind": "error"}]})
    actions.kill("storage")
    (found,) = look_at_faults()
    assert found.verdict is Verdict.INVALID
    actions.start("storage")


def test_faults_that_others_replaced_must_have_been_met_too(stage: Stage) -> None:
    for _ in range(2):
        actions.set_faults("storage", {"for": "60s", "fault": [{"kind": "error", "first": 1}]})
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{stage.url('storage')}/storage/v1/b?project=p", timeout=10)
    actions.clear_faults("storage")
    first, gone, last = look_at_faults()
    assert (first.verdict, first.message) == (Verdict.INVALID, "nothing met 1 of its 1 faults")
    assert (gone.verdict, last.verdict) == (Verdict.PASSED, Verdict.PASSED)


def test_an_emulator_that_was_started_anew_has_forgotten_its_faults(stage: Stage) -> None:
    actions.set_faults("storage", {"for": "60s", "fault": [{"kind": "error"}]})
    actions.restart("storage")
    assert look_at_faults()[-1].message == "it has forgotten them"


def test_an_emulator_refuses_in_its_own_words(stage: Stage) -> None:
    with pytest.raises(DidNotHappen, match="outage"):
        actions.set_faults("storage", {"for": "60s", "fault": [{"kind": "outage"}]})
    with pytest.raises(DidNotHappen, match="no process 'gemini'"):
        actions.clear_faults("gemini")


def test_metrics_are_summed_over_labels(stage: Stage) -> None:
    health(stage)
    assert probes.metric("perkie_requests_total", {"route": "/health"}, at_least=1)
    assert probes.metric("no_such_metric", at_most=0)
    with pytest.raises(NotSo, match="perkie_requests_total is"):
        probes.metric("perkie_requests_total", at_most=0)


def test_there_is_no_traffic_to_finish_and_only_one_at_a_time(stage: Stage) -> None:
    with pytest.raises(DidNotHappen, match="no traffic"):
        actions.finish_traffic()
    with pytest.raises(DidNotHappen, match="drawn before"):
        actions.start_traffic(1, "1s", repeats=1)


def test_without_a_stage_everything_is_a_sentence() -> None:
    command = "from perkie_cli.loadtest.chaos import probes; probes.ready()"
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "perkie starts nothing for this experiment" in done.stderr


# ---------------------------------------------------------------- a full disk


@ROOT_ONLY
def test_a_full_disk_is_a_small_one_of_its_own() -> None:
    with staged(Plan(disk=2**20)) as stage:
        assert stage.disk is not None
        file = stage.disk.folder / "new"
        assert actions.fill_disk() == "the small disk of the server is full: ENOSPC"
        with pytest.raises(OSError, match="No space left") as caught:
            file.write_bytes(b"x" * 5000)
        assert caught.value.errno == errno.ENOSPC
        actions.free_disk()
        file.write_bytes(b"x" * 5000)
        folder = stage.folder
    assert not folder.exists()
    assert str(folder) not in Path("/proc/mounts").read_text()


def test_without_root_files_are_limited_and_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    program = (
        "import sys\n"
        "for line in sys.stdin:\n"
        "    try:\n"
        "        with open(sys.argv[1], 'wb') as file: file.write(b'x' * 5000)\n"
        "        print('written', flush=True)\n"
        "    except OSError as error: print(error.errno, flush=True)\n"
    )
    with (
        small_disk(tmp_path / "disk", 2**20) as small,
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path / "file")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        ) as writer,
    ):
        assert writer.stdin is not None
        assert writer.stdout is not None

        def write() -> str:
            writer.stdin.write("\n")  # type: ignore[union-attr]
            return writer.stdout.readline().strip()  # type: ignore[union-attr]

        assert (small.mounted, write()) == (False, "written")
        assert "EFBIG, not ENOSPC" in small.fill(writer.pid)
        assert write() == str(errno.EFBIG)
        small.free(writer.pid)
        assert write() == "written"
        writer.stdin.close()


def test_an_experiment_without_a_disk_cannot_fill_one(stage: Stage) -> None:
    with pytest.raises(DidNotHappen, match="needs disk"):
        actions.fill_disk()
    actions.free_disk()  # a rollback does no harm


def test_a_disk_knows_its_filler(tmp_path: Path) -> None:
    Disk(tmp_path, mounted=True).free(os.getpid())


# ---------------------------------------------------------------- nothing stays


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
def test_processes_end_with_whoever_started_them(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from perkie_cli.loadtest.chaos.document.plan import Plan\n"
        "from perkie_cli.loadtest.chaos.stage.stage import staged\n"
        "with staged(Plan()) as stage:\n"
        "    print(stage.process('server').pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
    ends = time.monotonic() + 30
    while is_running(pid):
        assert time.monotonic() < ends
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_stage_leaves_nothing(stage: Stage) -> None:
    with staged(Plan(("firestore",))) as other:
        assert current() is other
        pids = [process.pid for process in other.processes.values()]
        folder = other.folder
    assert current() is stage
    assert not any(map(is_running, pids))
    assert not folder.exists()


def test_the_users_settings_do_not_reach_the_server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "perkie.toml").write_text("[http]\nnonsense = 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERKIE_HTTP_AUTH", "api-key")
    monkeypatch.setenv("GOOGLE_API_KEY", "secret")
    with staged(Plan()) as stage:
        assert probes.ready()
        assert "GOOGLE_API_KEY" not in stage.process("server").environ
