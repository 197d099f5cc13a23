"""The screen for whoever is on call, against a server whose engines the test drives."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, expect

from perkie_cli.domain.errors import BreakerOpen
from tests.browser import Visit, needs_chromium, visiting
from tests.http_server import API_KEY, OTHER_KEY, running, secured

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]


def line(visit: Visit, head: str) -> Locator:
    return visit.page.get_by_role("row").filter(has=visit.page.get_by_role("rowheader", name=head, exact=True))


async def test_it_shows_pace_hits_and_the_last_substitutes_of_this_process(browser: Browser) -> None:
    async with running() as server, visiting(browser) as visit:
        assert (await server.generate()).status_code == 200
        assert (await server.generate()).json()["cache_hit"] is True
        await visit.page.clock.install()
        await visit.page.goto(f"{server.url}/ops")
        await expect(line(visit, "From the cache").get_by_role("cell").last).to_have_text("50.0 %")
        await expect(visit.page.get_by_role("row", name="None so far.")).to_be_visible()
        await expect(visit.page.locator("#who")).to_contain_text(f"/{Path('/proc/self').resolve().name}")
        await expect(visit.page.locator("#who")).to_contain_text("since")

        server.engine.errors["van_gogh_post_impressionism"] = BreakerOpen("the breaker of <b>gemini</b> is open")
        for _ in range(2):
            answer = await server.generate(style="classic")
            assert answer.json()["degraded"] is True
        await visit.page.clock.run_for(6_000)
        await expect(visit.page.get_by_role("row").filter(has_text="breaker_open")).to_have_count(2)
        await expect(visit.page.get_by_role("row").filter(has_text="<b>gemini</b>")).to_have_count(2)
        await expect(visit.page.locator("dl div").filter(has_text="Substitutes").locator("dd")).to_have_class("bad")
        lately = line(visit, "Pictures").get_by_role("cell")
        await expect(lately.first).to_have_text("2", timeout=60_000)
        await expect(lately.last).to_have_text("4")
        assert visit.errors == []


async def test_it_asks_for_a_key_and_shows_nothing_without_one(browser: Browser, home: Path) -> None:
    async with running(secured(home)) as server, visiting(browser) as visit:
        assert (await server.client.get("/ops")).json()["type"] == "urn:perkie:problem:not_authorised"
        for headers in ({}, {"X-API-Key": API_KEY}):
            assert (await server.client.get("/ops/recent", headers=headers)).status_code in (401, 403)
        assert (await server.client.get("/ops", headers={"X-API-Key": OTHER_KEY})).status_code == 200

        answer = await visit.page.goto(f"{server.url}/ops")
        assert answer is not None
        assert answer.status == 401
        assert "unsafe" not in (await answer.header_value("content-security-policy") or "unsafe")
        await visit.page.get_by_label("A key with the scope").fill(API_KEY)
        await visit.page.get_by_role("button", name="Show").click()
        await expect(visit.page.get_by_role("alert")).to_contain_text("This key may not read the metrics (403)")
        await expect(visit.page.locator("#figures")).to_be_hidden()
        await visit.page.get_by_label("A key with the scope").fill(OTHER_KEY)
        await visit.page.get_by_role("button", name="Show").click()
        await expect(visit.page.locator("#figures")).to_be_visible()
        assert visit.errors == []


async def test_a_server_that_is_gone_is_told_with_the_time_of_the_figures(browser: Browser) -> None:
    async with running() as server, visiting(browser) as visit:
        await visit.page.clock.install()
        await visit.page.goto(f"{server.url}/ops")
        await expect(visit.page.locator("#figures")).to_be_visible()
        await visit.page.context.set_offline(True)
        await visit.page.clock.run_for(6_000)
        await expect(visit.page.get_by_role("alert")).to_contain_text(
            "The server does not answer. These figures are of "
        )
        await visit.page.context.set_offline(False)
        await visit.page.clock.run_for(6_000)
        await expect(visit.page.locator("#trouble")).to_have_text("")


async def test_only_the_last_twenty_are_kept() -> None:
    async with running() as server:
        server.engine.errors["ink_wash"] = BreakerOpen("the breaker of gemini is open")
        for number in range(22):
            answer = await server.generate(session_id=f"s{number}")
            assert answer.json()["degraded"] is True
        told: list[dict[str, str]] = (await server.client.get("/ops/recent")).json()["substitutes"]
        assert len(told) == 20
        times = [each["at"] for each in told]
        assert times == sorted(times, reverse=True), "newest first"
