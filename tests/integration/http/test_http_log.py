"""Every line about a request names it, its caller by name, and its owner only to whoever has the secret."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import BreakerOpen, StoreUnavailable
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.secret import Secret
from perkie_cli.http.request.owner_tag import OwnerTags
from tests.http_server import API_KEY, OTHER_KEY, running, secured, server_log

SHOP = {"X-API-Key": API_KEY}


def about(log: str, words: str) -> list[str]:
    return [line for line in log.splitlines() if words in line]


async def test_every_line_of_a_request_names_it_and_its_key(home: Path) -> None:
    http = secured(home, link_secret=Secret("a link secret"))
    async with running(http) as server:
        server.engine.errors["ink_wash"] = BreakerOpen("the breaker of gemini is open", hint="Wait a minute.")
        with server_log() as log:
            headers = {**SHOP, "X-Request-ID": "complaint-7"}
            assert (await server.generate(session_id="anna77", headers=headers)).status_code == 200
    tag = OwnerTags(b"a link secret")(Owner.session("anna77"))
    lines = log.getvalue().splitlines()
    for words in ("cache_lookup: ", "degraded: ", "POST /api/v1/generate: 200"):
        (line,) = about(log.getvalue(), words)[:1]
        assert line.endswith(f"[request=complaint-7 caller=shop owner={tag}]")
    assert "cause=the breaker of gemini is open (Wait a minute.)" in about(log.getvalue(), "degraded: ")[0]
    assert all("request=complaint-7" in line for line in lines if "warm" not in line), log.getvalue()
    assert "anna77" not in log.getvalue()


async def test_refusals_name_the_request_and_who_was_refused(home: Path) -> None:
    async with running(secured(home)) as server:
        with server_log() as log:
            nobody = await server.generate()
            beyond = await server.client.get("/metrics", headers=SHOP)
            claimed = await server.generate(headers=SHOP, customer_id="anna77")
    for answer, caller in ((nobody, None), (beyond, "shop"), (claimed, "shop")):
        line = about(log.getvalue(), answer.json()["request_id"])[1]  # the first one only says that it arrived
        assert ("caller=shop" in line) == (caller is not None)
    assert "anna77" not in log.getvalue()


async def test_a_store_that_stays_down_is_one_line(home: Path) -> None:
    async with running(secured(home, rate_session=1000, rate_ip=1000, rate_burst=1000)) as server:
        blobs = server.services.blobs
        failing = StoreUnavailable("the cache cannot be used: no room", hint="Free some space.")

        async def put(*args: object, **kwargs: object) -> None:
            raise failing

        working = blobs.put
        with server_log() as log:
            blobs.put = put  # type: ignore[method-assign,assignment]
            for style in ("modern", "classic", "perkie_print"):
                assert (await server.generate(style=style, headers={"X-API-Key": OTHER_KEY})).status_code == 200
            blobs.put = working  # type: ignore[method-assign]
            for style in ("modern", "classic"):
                assert (await server.generate(style=style, headers={"X-API-Key": OTHER_KEY})).status_code == 200
    told = [re.sub(r" \[.*", "", line.split(" ", 1)[1]) for line in about(log.getvalue(), "WARNING store_")]
    assert told[0].endswith("reason=the cache cannot be used: no room (Free some space.)")
    assert re.fullmatch(r"WARNING store_back: store=disk:\S+ failures=\d+", told[1].replace(",", ""))
    assert len(told) == 2


def test_the_tag_of_an_owner_is_the_one_of_the_documents() -> None:
    """docs/http.md: how on-call finds the lines of a customer."""
    recipe = re.search(r"printf 'log:customer:42' \| .*", (Path(__file__).parents[3] / "docs" / "http.md").read_text())
    assert recipe is not None
    done = subprocess.run(
        ["bash", "-c", recipe[0]],
        env={"PERKIE_HTTP_LINK_SECRET": "a link secret", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"customer:{done.stdout.strip()}" == OwnerTags(b"a link secret")(Owner.customer("42"))


async def test_two_servers_with_one_secret_read_each_others_links(tmp_path: Path) -> None:
    http = replace(HttpSettings(), link_secret=Secret("one for both"))
    async with running(http) as one, running(http, blobs=one.services.blobs) as other:
        url = (await one.generate(session_id="anna77")).json()["image_url"]
        token = url.rpartition("/")[2]
        assert (await other.client.get(f"/images/{token}")).status_code == 200
    async with running(http=replace(http, link_secret=None), blobs=one.services.blobs) as stranger:
        assert (await stranger.client.get(f"/images/{token}")).status_code == 404
