"""`perkie deploy` as a user types it, against an emulated Cloud Run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from perkie_cli.domain.deploy.traffic import Share
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.ops.deploy import levels
from perkie_cli.ports.rollouts import ServiceChange
from tests.conftest import Perkie
from tests.deploying import SETTINGS, a_shop
from tests.run_services import NAME, NEW, SERVICE
from tests.shipping import FIRST


async def test_a_first_canary_as_the_page_tells_it(tmp_path: Path, perkie_here: Perkie) -> None:
    async with a_shop(tmp_path, here=perkie_here) as (its, perkie):
        out, _ = await perkie.run("check")
        assert "Cloud Run would take it" in out
        out, _ = await perkie.run("canary", "--dry-run", "--json")
        requests = [row["request"] for row in json.loads(out)["results"]]
        assert [each["updateMask"] for each in requests] == [
            "annotations,traffic,template",
            *["annotations,traffic"] * 4,
        ]
        assert its.split() == {FIRST: 100}
        _, err = await perkie.run("canary", code=2)
        assert "nobody can be asked" in err
        out, err = await perkie.run("canary", "--yes")
        assert out.strip().endswith("100 %")
        assert "--to-latest" in err
        assert FIRST not in its.split()
        out, err = await perkie.run("status")
        assert " is done since " in out
        assert "by name" in err
        audit = (Path(os.environ["XDG_STATE_HOME"]) / "perkie" / "audit.jsonl").read_text("utf-8").splitlines()
        assert len([line for line in audit if '"deploy traffic"' in line]) == 5
        out, _ = await perkie.run("rollback", "--yes", "--json")
        assert json.loads(out)["results"][0]["revision"] == FIRST
        assert its.split() == {FIRST: 100}
        _, err = await perkie.run("rollback", "--yes", code=8)
        assert "nothing to go back to" in err


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[production]", 'freeze = "Black Friday"\n[production]'), "production is frozen: Black Friday"),
        ((NEW, "new:latest"), "new:latest is not named by digest"),
        (
            ("[production]", '[staging]\nproject = "a-project"\n[production]'),
            "production and staging are in the same project, a-project",
        ),
        (('PERKIE_HTTP_JWT_SECRET = "jwt-secret"', ""), "no secret for PERKIE_HTTP_JWT_SECRET"),
    ],
)
async def test_what_is_wrong_is_refused_before_anything_remote(
    tmp_path: Path, perkie_here: Perkie, change: tuple[str, str], told: str
) -> None:
    settings = SETTINGS.replace(*change)
    settings = settings.replace('freeze = "Black Friday"\n[production]', '[production]\nfreeze = "Black Friday"')
    async with a_shop(tmp_path, settings, perkie_here) as (its, perkie):
        calls = dict(its.cloud.emulator.counts)
        _, err = await perkie.run("canary", "--yes", code=8)
        assert told in err
        assert "nothing was changed" in err
        assert dict(its.cloud.emulator.counts) == calls
        out, _ = await perkie.run("check", "--offline", code=8)
        assert told in out


async def test_rollback_needs_no_service_levels(
    tmp_path: Path, perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever goes back at night must not meet a broken file of promises."""

    def broken() -> None:
        raise InvalidSetting("slo.yaml is broken")

    monkeypatch.setattr(levels, "service_levels", broken)
    async with a_shop(tmp_path, here=perkie_here) as (its, perkie):
        _, err = await perkie.run("canary", "--yes", code=3)
        assert "slo.yaml is broken" in err
        await its.ship(its.canary(rules=[]))
        assert its.share_of_new() == 100
        await perkie.run("rollback", "--yes")
        assert its.split() == {FIRST: 100}


async def test_traps_of_others_are_told(tmp_path: Path, perkie_here: Perkie) -> None:
    async with a_shop(tmp_path, here=perkie_here) as (its, perkie):
        out, _ = await perkie.run("check")
        assert "traffic goes to LATEST" in out
        tagged = (Share(FIRST, 100), Share(FIRST, 0, "canary"))
        await its.cloud.run.change(ServiceChange(SERVICE, "", tagged, {}))
        await its.cloud.settled()
        out, _ = await perkie.run("check", code=8)
        assert "the tag canary, which a canary uses, is set already" in out
        assert "--remove-tags=canary" in out
        await its.cloud.google.delete_service(name=NAME)
        _, err = await perkie.run("canary", "--yes", code=8)
        assert f"the service {SERVICE} does not exist yet" in err


async def test_the_gate_judges_and_changes_nothing(tmp_path: Path, perkie_here: Perkie) -> None:
    settings = SETTINGS.replace('max_hold = "50s"', 'max_hold = "2s"')
    async with a_shop(tmp_path, settings, perkie_here) as (its, perkie):
        both = (Share(FIRST, 50), Share(f"{SERVICE}-2", 50, "canary"), Share(FIRST, 0, "stable"))
        made = {"revision": f"{SERVICE}-2", "containers": [{"image": NEW}]}
        await its.cloud.run.change(ServiceChange(SERVICE, "", both, {}, made))
        before = await its.cloud.settled()
        out, _ = await perkie.run("gate")
        assert "healthy" in out
        its.new.fails = lambda: True
        out, err = await perkie.run("gate", "--json", code=99)
        row, answering = json.loads(out)["results"]
        assert (row["level"], row["health"], row["shared"]) == ("error_rate", "unhealthy", False)
        assert (answering["level"], answering["health"]) == ("answering", "healthy")
        its.old.fails = lambda: True
        out, _ = await perkie.run("gate", "--json", code=5)
        assert json.loads(out)["results"][0]["shared"]
        its.new.told = False
        _, err = await perkie.run("gate", code=5)
        assert "no data" in err
        assert "/metrics answers 403" in err
        assert await its.cloud.run.read(SERVICE) == before
