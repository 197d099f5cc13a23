"""WCAG 2.2 AA as far as axe can tell, in every state; small screens, dark mode, reduced motion."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect

from perkie_cli.domain.errors import BreakerOpen, Unavailable
from tests.browser import Visit, needs_chromium, upload, visiting
from tests.http_server import Running
from tests.node_clients import WIDGET_TOOLS, node_folder
from tests.pictures import file_of, photo

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
READY = "Your pictures are ready."
LANGUAGES = ("de", *(pytest.param(each, marks=pytest.mark.slow) for each in ("en", "fr", "es")))  # de is the longest
OVERFLOWS = """() => [document.documentElement,
    ...document.querySelector("perkie-portrait").shadowRoot.querySelectorAll("*")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 && !["IMG", "INPUT"].includes(each.tagName)
    && getComputedStyle(each).display !== "inline")
  .map((each) => each.tagName + "." + each.className)"""


@pytest.fixture(scope="module")
def axe() -> str:
    folder = node_folder(WIDGET_TOOLS)
    if isinstance(folder, str):
        pytest.skip(folder)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")


async def finds_nothing(visit: Visit, axe: str) -> None:
    if not await visit.page.evaluate("'axe' in window"):
        await visit.page.evaluate(axe)
    run = "(rules) => axe.run({ runOnly: rules, resultTypes: ['violations'] })"
    found: dict[str, Any] = await visit.page.evaluate(run, RULES)
    told = [(each["id"], [node["target"] for node in each["nodes"]], each["help"]) for each in found["violations"]]
    assert told == []


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def mended(server: Running) -> AsyncIterator[None]:
    yield
    for engine in (server.engine, server.local):
        engine.errors.clear()
        engine.gate.set()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
async def test_axe_finds_nothing_in_any_state(browser: Browser, server: Running, axe: str, scheme: str) -> None:
    seed = {"light": 301, "dark": 302}[scheme]
    async with visiting(browser, color_scheme=scheme) as visit:
        await visit.open(server.url)
        await expect(visit.card("ink_wash")).to_have_count(1)
        await finds_nothing(visit, axe)
        await visit.choose(upload(b"text", "note.txt"))
        await visit.says("note.txt is not a picture")
        await finds_nothing(visit, axe)
        server.engine.gate.clear()
        await visit.choose(upload(file_of(photo(320, 280, seed))))
        await visit.filled("original", "cutout")
        await finds_nothing(visit, axe)
        server.engine.errors["ink_wash"] = BreakerOpen("open")
        server.engine.errors["van_gogh_post_impressionism"] = Unavailable("no room")
        server.local.errors["van_gogh_post_impressionism"] = Unavailable("no room")
        server.engine.gate.set()
        await visit.says(READY)
        await visit.filled("original", "cutout", "ink_wash")
        await finds_nothing(visit, axe)
        await visit.page.goto(f"{server.url}/ops")
        await expect(visit.page.locator("#figures")).to_be_visible()
        await finds_nothing(visit, axe)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_nothing_is_cut_off_at_320_px(browser: Browser, server: Running, language: str) -> None:
    async with visiting(browser, viewport={"width": 320, "height": 640}, has_touch=True) as visit:
        await visit.page.add_init_script(f"document.documentElement.lang = '{language}'")
        await visit.page.goto(server.url)
        await visit.page.evaluate("(lang) => { document.querySelector('perkie-portrait').lang = lang }", language)
        await expect(visit.widget.locator(f".frame[lang={language}]")).to_be_visible()
        await visit.choose(upload(file_of(photo(320, 280, 303))))
        await visit.filled("original", "cutout", "ink_wash", "van_gogh_post_impressionism")
        assert await visit.page.evaluate(OVERFLOWS) == []


async def test_nothing_moves_for_those_who_do_not_want_it(browser: Browser, server: Running) -> None:
    async with visiting(browser, reduced_motion="reduce") as visit:
        server.engine.gate.clear()
        await visit.open(server.url)
        await visit.choose(upload(file_of(photo(320, 280, 304))))
        await visit.filled("original", "cutout")
        assert await visit.page.evaluate("document.getAnimations({ subtree: true }).length") == 0
        busy = visit.card("ink_wash").locator(".picture")
        assert await busy.evaluate("(each) => getComputedStyle(each).animationName") == "none"


async def test_the_live_region_speaks_seldom(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    await visit.page.evaluate(
        """() => {
          window.spoken = [];
          const root = document.querySelector("perkie-portrait").shadowRoot;
          const regions = root.querySelectorAll("[role=status], [role=alert], [aria-live]");
          window.regions = regions.length;
          new MutationObserver(() => window.spoken.push(regions[0].textContent))
            .observe(regions[0], { childList: true, characterData: true, subtree: true });
        }"""
    )
    await visit.choose(upload(file_of(photo(320, 280, 305))))
    await visit.says(READY)
    assert await visit.page.evaluate("window.regions") == 1
    spoken: list[str] = await visit.page.evaluate("window.spoken")
    assert spoken[-1] == READY
    assert len(spoken) <= 8, spoken
    assert len(spoken) == len(set(spoken)), "nothing is said twice"
