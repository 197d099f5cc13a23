"""100 users while Gemini goes away for good: every answer is a picture, none is a 5xx, and quotas are exact."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perkie_cli.loadtest.hosting.hosted import Hosted
from perkie_cli.loadtest.load import Options, run_load
from perkie_cli.loadtest.pages import as_html
from perkie_cli.loadtest.reporting import report_of
from perkie_cli.loadtest.scenario import Call, Check, Phase, PhotoPool, Scenario
from perkie_cli.loadtest.tally import Outcome
from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WARM = 6
GENERATE = Call(
    "generate",
    "/api/v1/generate",
    "POST",
    headers={"Accept": "image/*"},
    form={"style": "bw_fine_art", "customer_id": "{customer}"},
    photo="image",
    check=Check.PICTURE,
)
SMALL = {"PERKIE_STYLE_SIZE": "256"}  # the local engine's time is not the point here
OUTAGE = {"fault": [{"kind": "outage", "begin": 45.0}]}  # seconds after the emulator's start


def used(hosted: Hosted) -> tuple[int, int]:
    """Pictures that were charged to customers today, and those still reserved."""
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "FIRESTORE_EMULATOR_HOST": hosted.processes["firestore"].url,
        "GOOGLE_CLOUD_PROJECT": "perkie-load-test",
        "PERKIE_QUOTA_STORE": "firestore",
    }
    words = [sys.executable, "-m", "perkie_cli", "quota", "show", "--all", "--limit", "100000", "--json"]
    done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
    rows = [row for row in json.loads(done.stdout)["results"] if row["counter"].startswith("customer")]
    return sum(row["used"] for row in rows), sum(row["in_flight"] for row in rows)


def test_a_total_outage_under_a_hundred_users_costs_no_picture_and_no_quota(tmp_path: Path) -> None:
    scenario = Scenario(
        "outage",
        (Phase("users", 90.0, users=100, think=4.0),),
        (GENERATE,),
        photos=PhotoPool(384, hit_rate=0.985, warm=WARM),  # a drawing in two seconds or so: what two busy cores can do
    )
    with Hosted(SMALL, plan=OUTAGE, picture="tiny") as hosted:
        run = run_load(scenario, hosted.url, Options(samples=tmp_path / "rows.csv", workers=1))
        charged, reserved = used(hosted)
    whole = run.tally.series()
    assert set(whole.outcomes) == {Outcome.OK}, (whole.errors, run.tally.samples)
    assert set(whole.statuses) == {200}
    rows = list(csv.DictReader((tmp_path / "rows.csv").open()))
    drawn = [row for row in rows if row["misses"] == "1"]
    paid = sum(row["degraded"] == "0" for row in drawn)
    assert paid > 5, "Gemini answered at first"
    assert len(drawn) - paid > 5, "and then it did not"
    assert charged == paid + WARM
    assert reserved == 0
    assert "<svg" in as_html(report_of(run))
