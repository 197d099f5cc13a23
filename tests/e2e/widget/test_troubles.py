"""What goes wrong between a customer and their picture, and what they see of it."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from perkie_cli.config.schema import HttpSettings, QuotaSettings, Settings
from perkie_cli.domain.errors import AtCapacity, Blocked, BreakerOpen, Unavailable
from perkie_cli.domain.secret import Secret
from tests.browser import Visit, needs_chromium, upload, visiting
from tests.conftest import CAT
from tests.http_server import Running, running
from tests.pictures import file_of, photo
from tests.relay import Relay, relaying
from tests.serving import perkie_serve

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
AT_ONCE = ("original", "cutout", "ink_wash", "van_gogh_post_impressionism")
READY = "Your pictures are ready."


@pytest_asyncio.fixture(loop_scope="module")
async def relay(server: Running) -> AsyncIterator[Relay]:
    async with relaying(server.url) as made:
        yield made


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def mended(server: Running) -> AsyncIterator[None]:
    yield
    for engine in (server.engine, server.local):
        engine.errors.clear()
        engine.gate.set()
    server.matting.gate.set()
    server.matting.error = None


def pet(seed: int, width: int = 320, height: int = 280) -> dict[str, object]:
    """A photo that no other test has sent."""
    return upload(file_of(photo(width, height, seed)))


async def test_a_slow_upstream_shows_the_cut_out_first(visit: Visit, server: Running) -> None:
    server.engine.gate.clear()
    await visit.open(server.url)
    await visit.choose(pet(101))
    await visit.filled("original", "cutout")
    await expect(visit.card("ink_wash")).to_contain_text("being drawn")
    await visit.says("Our artists are at work.")
    chosen = visit.widget.locator("input[name=choice]:checked")
    assert await chosen.get_attribute("value") == "cutout", "what is there is shown"
    server.engine.gate.set()
    await visit.filled(*AT_ONCE)
    assert await chosen.get_attribute("value") in AT_ONCE[2:]
    assert visit.errors == []


async def test_stop_keeps_the_photo_and_what_is_drawn(visit: Visit, server: Running) -> None:
    server.engine.gate.clear()
    await visit.open(server.url)
    await visit.choose(pet(102))
    await visit.filled("original", "cutout")
    await visit.page.get_by_role("button", name="Stop").click()
    await visit.says("Stopped. Your photo is still here.")
    await visit.filled("original", "cutout")
    server.engine.gate.set()
    await visit.page.get_by_role("button", name="Try again").click()
    await visit.filled(*AT_ONCE)
    first, again = visit.asked("/api/v2/process")
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]
    assert "image_hash" in str(again.post_data)
    assert "filename" not in str(again.post_data), "the photo is not sent twice"


async def test_an_outage_gives_labelled_substitutes(visit: Visit, server: Running) -> None:
    for style in AT_ONCE[2:]:
        server.engine.errors[style] = BreakerOpen("the breaker of gemini is open")
    await visit.open(server.url)
    await visit.choose(pet(103))
    await visit.says(READY)
    await visit.filled(*AT_ONCE)
    for style in AT_ONCE[2:]:
        await expect(visit.card(style)).to_contain_text("a simpler drawing for now")
    assert (await visit.told("select"))[-1]["degraded"] is True


async def test_a_total_outage_leaves_the_photo_and_the_cut_out_to_order(visit: Visit, server: Running) -> None:
    for style in AT_ONCE[2:]:
        server.engine.errors[style] = server.local.errors[style] = Unavailable("no room", retry_after=500)
    await visit.open(server.url)
    await visit.choose(pet(104))
    await visit.says(READY)
    await visit.filled("original", "cutout")
    await expect(visit.card("ink_wash")).to_contain_text("too much to do")
    await visit.card("original").locator("label").click()
    await expect(visit.card("original").locator("input")).to_be_checked()
    for _ in range(600):
        last = (await visit.told("select"))[-1]
        if last["by"] == "customer":
            break
        await asyncio.sleep(0.1)
    assert (last["choice"], last["by"]) == ("original", "customer")
    assert "/images/" in last["image_url"], "the shop can fetch it"
    assert last["file"], "and the page has it"


async def test_a_style_that_fails_is_told_on_its_card_and_offered_again(visit: Visit, server: Running) -> None:
    server.engine.errors["ink_wash"] = Blocked("a policy block")
    server.local.errors["ink_wash"] = Unavailable("no room")
    await visit.open(server.url)
    await visit.choose(pet(105))
    await visit.says(READY)
    await expect(visit.card("ink_wash")).to_contain_text("too much to do")
    await visit.filled("original", "cutout", "van_gogh_post_impressionism")
    server.engine.errors.clear()
    await visit.card("ink_wash").get_by_role("button", name="Draw it").click()
    await visit.filled(*AT_ONCE)


async def test_retry_after_is_counted_down_and_the_rest_goes_by_itself(visit: Visit, server: Running) -> None:
    server.matting.error = AtCapacity("too many", retry_after=2)
    for style in AT_ONCE[2:]:
        server.engine.errors[style] = server.local.errors[style] = AtCapacity("too many", retry_after=30)
    await visit.page.clock.install()
    await visit.open(server.url)
    await visit.choose(pet(106))
    await visit.says("Our artists have too much to do right now.")
    await expect(visit.widget.locator(".actions")).to_contain_text("Next try in 30 s")
    for engine in (server.engine, server.local):
        engine.errors.clear()
    server.matting.error = None
    await visit.page.clock.run_for(1000)
    await expect(visit.widget.locator(".actions")).to_contain_text("Next try in 2")
    await visit.page.clock.run_for(30_000)
    await visit.says(READY)
    await visit.filled(*AT_ONCE)
    keys = {each.headers["idempotency-key"] for each in visit.asked("/api/v2/process")}
    assert len(visit.asked("/api/v2/process")) == 2
    assert len(keys) == 1


async def test_an_exhausted_quota_is_told_with_its_reset_and_leaves_the_cut_out(browser: Browser) -> None:
    async with (
        running(settings=Settings(quota=QuotaSettings(session=1))) as server,
        visiting(browser, timezone_id="America/Los_Angeles", locale="en-US") as visit,
    ):
        await visit.open(server.url)
        await expect(visit.widget.locator(".quota")).to_contain_text("One picture left today. New ones from ")
        await visit.choose(pet(107))
        await visit.says(READY)
        await expect(visit.widget.locator(".quota")).to_contain_text("No pictures left for today.")
        reset = await visit.widget.locator(".quota").inner_text()
        hour = "5:00" if "5:00" in reset else "4:00"  # summer or winter
        assert f"{hour} PM" in reset.replace("\u202f", " "), "midnight UTC on the customer's clock"
        assert await visit.widget.locator(".card.filled").count() == 3, "one drawing"
        await visit.card("cutout").locator("label").click()
        await expect(visit.card("cutout").locator("input")).to_be_checked()


async def test_offline_is_told_and_work_goes_on_by_itself(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    await expect(visit.card("ink_wash")).to_have_count(1)
    await visit.page.wait_for_load_state("networkidle")
    await visit.page.context.set_offline(True)
    await visit.choose(pet(108))
    await visit.says("You are offline. Your photo is kept")
    await visit.filled("original")
    await visit.page.context.set_offline(False)
    await visit.says(READY)
    await visit.filled(*AT_ONCE)


async def test_another_server_takes_over_in_the_middle(browser: Browser) -> None:
    settings = HttpSettings(link_secret=Secret("x" * 32))
    async with (
        running(settings) as second,
        running(settings) as first,
        relaying(first.url) as relay,
        visiting(browser) as visit,
    ):
        first.engine.gate.clear()
        await visit.open(relay.url)
        await visit.choose(pet(109))
        await visit.filled("original", "cutout")
        relay.target = second.url
        relay.cut()
        await visit.says(READY)
        await visit.filled(*AT_ONCE)
        assert second.engine.calls == 2


@pytest.mark.slow
async def test_a_server_that_is_killed_and_started_again_is_asked_again(visit: Visit, tmp_path: Path) -> None:
    env = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_STYLE_ENGINE": "local", "PERKIE_HTTP_LINK_SECRET": "x" * 32}
    with perkie_serve(tmp_path, env=env) as first:
        await visit.open(first.url)
        await visit.choose(CAT)
        await visit.says("Our artists are at work.")
        first.stop(signal.SIGKILL)
    await visit.says("cannot be reached")
    with perkie_serve(tmp_path, "--port", first.url.rpartition(":")[2], env=env):
        if await (again := visit.page.get_by_role("button", name="Try again")).is_visible():
            await again.click()  # the start took longer than it tries by itself
        await visit.says(READY)
        await visit.filled(*AT_ONCE)
        assert len({each.headers["idempotency-key"] for each in visit.asked("/api/v2/process")}) == 1


async def test_a_connection_that_breaks_is_made_again_with_the_same_key(
    visit: Visit, server: Running, relay: Relay
) -> None:
    server.engine.gate.clear()
    await visit.open(relay.url)
    await visit.choose(pet(110))
    await visit.filled("original", "cutout")
    relay.cut()
    server.engine.gate.set()
    await visit.says(READY)
    assert len({each.headers["idempotency-key"] for each in visit.asked("/api/v2/process")}) == 1


async def test_a_minute_without_a_sign_of_life_ends_a_request_and_it_is_sent_again(
    visit: Visit, server: Running, relay: Relay
) -> None:
    await visit.page.clock.install()
    await visit.open(relay.url)
    await expect(visit.card("ink_wash")).to_have_count(1)
    await visit.page.wait_for_load_state("networkidle")
    relay.mute = True
    await visit.choose(pet(111))
    await visit.says("Your photo has arrived.")
    await visit.page.clock.run_for(59_000)
    await visit.says("Your photo has arrived.")
    await visit.page.clock.run_for(2_000)
    await visit.says("That took too long. Your photo is still here.")
    relay.mute = False
    relay.cut()
    await visit.says(READY)
    requests = visit.asked("/api/v2/process")
    assert len(requests) >= 2
    assert len({each.headers["idempotency-key"] for each in requests}) == 1


async def test_work_that_a_reload_interrupts_goes_on_with_the_same_key(visit: Visit, server: Running) -> None:
    server.engine.gate.clear()
    await visit.open(server.url)
    await visit.choose(pet(112))
    await visit.filled("original", "cutout")
    await visit.page.reload()
    await visit.filled("original", "cutout")
    server.engine.gate.set()
    await visit.filled(*AT_ONCE)
    first, again = visit.asked("/api/v2/process")
    assert first.headers["idempotency-key"] == again.headers["idempotency-key"]


async def test_without_any_storage_it_works_until_the_page_ends(visit: Visit, server: Running) -> None:
    await visit.page.add_init_script(
        """for (const name of ["localStorage", "sessionStorage", "indexedDB"]) {
            Object.defineProperty(window, name, { get() { throw new DOMException("denied", "SecurityError"); } });
        }"""
    )
    await visit.open(server.url)
    await visit.choose(pet(113))
    await visit.says(READY)
    await visit.filled(*AT_ONCE)
    assert visit.errors == []


async def test_a_service_that_cannot_be_reached_leaves_what_the_page_wrote_and_is_tried_again(
    visit: Visit, server: Running
) -> None:
    await visit.page.route("**/portrait.js*", lambda route: route.abort())
    await visit.page.goto(server.url)
    await expect(visit.page.get_by_label("A photo of your pet")).to_be_visible()
    assert [each["code"] for each in await visit.told("error")] == ["not_loaded"]
    await visit.page.unroute("**/portrait.js*")
    await visit.page.get_by_label("A photo of your pet").dispatch_event("pointerdown")
    await expect(visit.widget.locator(".frame")).to_be_visible()
    await visit.choose(pet(114))
    await visit.says(READY)


async def test_a_token_that_ended_is_renewed(visit: Visit, server: Running) -> None:
    tokens: list[str] = []

    async def hand_out(route) -> None:  # type: ignore[no-untyped-def]
        tokens.append(f"token-{len(tokens) + 1}")
        body = {"token": tokens[-1], "expires_at": "2999-01-01T00:00:00Z"}
        await route.fulfill(body=json.dumps(body), content_type="application/json")

    async def refuse(route, request) -> None:  # type: ignore[no-untyped-def]
        if request.headers["authorization"] == "Bearer token-1":
            problem = {"type": "urn:perkie:problem:not_authorised", "status": 401, "retryable": False}
            await route.fulfill(status=401, body=json.dumps(problem), content_type="application/problem+json")
        else:
            await route.continue_()

    await visit.page.route("**/hand-out-tokens", hand_out)
    await visit.page.route("**/api/v2/process", refuse)
    await visit.page.route(
        server.url + "/",
        lambda route: route.fulfill(
            body='<script src="widget/loader.js" defer></script>'
            '<perkie-portrait token-url="/hand-out-tokens"></perkie-portrait>',
            content_type="text/html",
        ),
    )
    await visit.open(server.url)
    await visit.choose(pet(115))
    await visit.says(READY)
    assert tokens == ["token-1", "token-2"]
