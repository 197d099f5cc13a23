"""The page at / in real Chromium: once against the installed server and its own engines, else against quick ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.browser import Visit, needs_chromium
from tests.conftest import CAT
from tests.http_server import API_KEY, Running, running, secured
from tests.serving import perkie_serve

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
ENGINES = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_STYLE_ENGINE": "local"}
AT_ONCE = ("original", "cutout", "ink_wash", "van_gogh_post_impressionism")


async def test_a_photo_becomes_a_cut_out_and_the_popular_portraits(visit: Visit, tmp_path: Path) -> None:
    with perkie_serve(tmp_path, env=ENGINES) as server:
        await visit.open(server.url)
        await visit.choose(CAT)
        await visit.says("Your pictures are ready.")
        await visit.filled(*AT_ONCE)  # the style that is not popular waits: it costs a picture of the day
        await visit.card("bw_fine_art").get_by_role("button", name="Draw it").click()
        await visit.filled(*AT_ONCE, "bw_fine_art")
        assert len(visit.asked("/api/v2/process")) == 1
        assert len(visit.asked("/api/v1/generate")) == 1, "the photo is sent once"
        assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
        assert {each["style"] for each in await visit.told("progress") if each.get("style")} == {
            *AT_ONCE[1:],
            "bw_fine_art",
        }

        await visit.page.reload()
        await visit.filled(*AT_ONCE, "bw_fine_art")
        assert len(visit.asked("/api/v2/process")) == 1, "what is there is not drawn again"
        assert visit.errors == []


async def test_pictures_that_are_gone_are_offered_anew_after_a_reload(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    await visit.choose(CAT)
    await visit.says("Your pictures are ready.")
    await visit.page.evaluate(
        """localStorage.setItem("perkie-portrait",
        localStorage.getItem("perkie-portrait").replaceAll(/images\\/[^"]*/g, "images/gone"))"""
    )
    await visit.page.reload()
    await visit.filled("original")
    await expect(visit.card("ink_wash")).to_contain_text("no longer there")
    await visit.card("ink_wash").get_by_role("button", name="Draw it").click()
    await visit.filled("original", "ink_wash")
    assert visit.errors == []


async def test_a_browser_without_custom_elements_gets_a_plain_form(visit: Visit, server: Running) -> None:
    await visit.page.add_init_script("delete window.ElementInternals")
    await visit.page.goto(server.url)
    await visit.page.get_by_label("A photo of your pet").set_input_files(CAT)
    async with visit.page.expect_response("**/api/v1/generate") as answer:
        await visit.page.get_by_role("button", name="Draw it").click()
    assert await (await answer.value).header_value("content-type") == "image/webp"
    assert visit.errors == []


async def test_the_page_is_light(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    await expect(visit.card("ink_wash")).to_have_count(1)
    await visit.page.wait_for_load_state("networkidle")
    sizes: list[int] = await visit.page.evaluate(
        "() => performance.getEntries().filter((each) => each.transferSize).map((each) => each.transferSize)"
    )
    assert len(sizes) > 10
    assert 10_000 < sum(sizes) <= 60_000


async def test_a_photo_is_kept_for_an_hour_and_a_link_until_it_ends(visit: Visit, server: Running) -> None:
    kept = """() => new Promise((resolve) => {
      const opening = indexedDB.open("perkie", 1);
      opening.onsuccess = () => {
        const asked = opening.result.transaction("kept").objectStore("kept").get("last");
        asked.onsuccess = () => resolve(asked.result?.name ?? null);
      };
    })"""
    await visit.open(server.url)
    await visit.choose(CAT)
    await visit.says("Your pictures are ready.")
    assert await visit.page.evaluate(kept) == "cat.png"
    await visit.page.evaluate(
        """() => {
          const kept = JSON.parse(localStorage.getItem("perkie-portrait"));
          kept.pictures.ink_wash.expires_at = "2020-01-01T00:00:00Z";
          localStorage.setItem("perkie-portrait", JSON.stringify(kept));
        }"""
    )
    await visit.page.clock.install(time=datetime.now(UTC) + timedelta(minutes=61))
    await visit.page.reload()
    await visit.filled("original", "cutout", "van_gogh_post_impressionism")
    await expect(visit.card("ink_wash").get_by_role("button", name="Draw it")).to_be_visible()
    assert await visit.page.evaluate(kept) is None
    assert visit.errors == []


async def test_a_server_with_keys_is_asked_with_the_one_that_is_typed(visit: Visit, home: Path) -> None:
    async with running(secured(home)) as server:
        await visit.page.goto(server.url)
        await visit.page.get_by_label("Access key").fill("wrong")  # the field is open: the server asks for one
        await visit.choose(CAT)
        await visit.says("This page may not draw pictures right now.")
        await visit.page.get_by_label("Access key").fill(API_KEY)
        await visit.page.get_by_role("button", name="Try again").click()
        await visit.says("Your pictures are ready.")
        await visit.filled(*AT_ONCE)
        assert visit.errors == []
