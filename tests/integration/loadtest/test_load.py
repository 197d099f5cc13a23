"""Runs in worker processes: one schedule shared among them, watched and stopped from outside, pictures kept."""

import csv
import time
from pathlib import Path

import pytest

from perkie_cli.domain.errors import Unavailable
from perkie_cli.loadtest.load import Ending, Load, Options, Run, run_load
from perkie_cli.loadtest.scenario import Call, Check, Phase, PhotoPool
from perkie_cli.loadtest.tally import Outcome
from tests.loadtest import scenario
from tests.pictures import file_of, photo
from tests.scripted_server import answers, scripted

PICTURE = file_of(photo(320, 280))
POST = Call("post", "/", "POST", photo="body", check=Check.PICTURE)


def test_two_processes_send_one_schedule(tmp_path: Path) -> None:
    with scripted(answers(body=b"ok")) as server:
        options = Options(workers=2, samples=tmp_path / "rows.csv")
        run = run_load(scenario(phases=(Phase("p", 1.0, rate=80.0),)), server.url, options)
    assert run.tally.series().outcomes == {Outcome.OK: 80}
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    assert [int(row["number"]) for row in rows] == list(range(80))
    assert [float(row["intended"]) for row in rows] == pytest.approx([at / 80 for at in range(80)], abs=1e-5)


def test_a_watch_sees_the_counts_and_ends_the_run() -> None:
    seen: list[int] = []

    def watch(run: Run) -> Ending | None:
        seen.append(run.tally.series().meant)
        return Ending.ABORTED if seen[-1] > 20 else None

    with scripted(answers(body=b"ok")) as server:
        run = run_load(scenario(phases=(Phase("p", 60.0, rate=40.0),)), server.url, Options(workers=1), watch)
    assert run.ending is Ending.ABORTED
    assert seen == sorted(seen)
    assert 20 < run.tally.series().meant < 2400
    assert run.seconds < 60


def test_a_background_run_is_stopped_when_its_block_ends() -> None:
    with scripted(answers(body=b"ok")) as server:
        with Load(scenario(phases=(Phase("p", 60.0, rate=40.0),)), server.url, Options(workers=1)) as load:
            until = time.monotonic() + 60
            while load.latest().tally.series().meant < 10:
                assert time.monotonic() < until
                time.sleep(0.05)
            load.stop()
            run = load.wait()
        assert run is not None
        assert run.ending is Ending.INTERRUPTED
        before = len(server.requests)
        time.sleep(0.3)
        assert len(server.requests) == before


def test_the_cache_is_filled_before_the_start_and_pictures_are_kept_on_request(tmp_path: Path) -> None:
    spec = scenario(phases=(Phase("p", 1.0, rate=10.0),), calls=(POST,), photos=PhotoPool(64, hit_rate=1.0, warm=3))
    with scripted(answers(body=PICTURE, content_type="image/jpeg")) as server:
        run = run_load(spec, server.url, Options(workers=1, keep=tmp_path))
        bodies = [body for _, _, body in server.requests]
    assert run.tally.series().outcomes == {Outcome.OK: 10}
    assert len(bodies) == 13
    assert len(set(bodies[:3])) == 3
    assert set(bodies[3:]) <= set(bodies[:3]), "each photo of the run was sent before"
    assert sorted(int(file.stem) for file in tmp_path.iterdir()) == list(range(10))
    assert {file.read_bytes() for file in tmp_path.iterdir()} == {PICTURE}


def test_a_cache_that_cannot_be_filled_stops_the_run_before_it_starts() -> None:
    spec = scenario(calls=(POST,), photos=PhotoPool(64, hit_rate=1.0, warm=3))
    with scripted(answers(503, b"closed")) as server, pytest.raises(Unavailable, match=r"post: status 503 closed"):
        run_load(spec, server.url, Options(workers=1))
