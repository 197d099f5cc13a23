"""``python -m tests.made_screens FOLDER``: screenshots of the page and the widget in their states, to be looked at."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.browser import Visit, chromium, visiting
from tests.conftest import CAT
from tests.serving import perkie_serve

SIZES = {390: 844, 1280: 900}
LANGUAGES = ("en", "de", "fr", "es")
DRAWN = ("original", "cutout", "ink_wash", "van_gogh_post_impressionism")


async def shoot(visit: Visit, folder: Path, name: str) -> None:
    """The whole page."""
    await visit.page.screenshot(path=folder / f"{name}.png", full_page=True, animations="disabled")


async def states(browser: Browser, url: str, folder: Path, width: int, scheme: str) -> None:
    """Empty, a wrong file, and done, in one size and scheme."""
    size = {"width": width, "height": SIZES[width]}
    async with visiting(browser, viewport=size, color_scheme=scheme, has_touch=width < 600) as visit:
        await visit.open(url)
        await expect(visit.card("ink_wash")).to_have_count(1)
        await shoot(visit, folder, f"{width}-{scheme}-empty")
        await visit.choose({"name": "holiday.txt", "mimeType": "text/plain", "buffer": b"no picture"})
        await visit.says("holiday.txt")
        await shoot(visit, folder, f"{width}-{scheme}-refused")
        await visit.choose(CAT)
        await visit.filled("original", "cutout")
        await shoot(visit, folder, f"{width}-{scheme}-drawing")
        await visit.filled(*DRAWN)
        await expect(visit.widget.locator(".compare")).to_have_class("compare both")
        await shoot(visit, folder, f"{width}-{scheme}-ready")
        await visit.card("cutout").locator("label").click()
        await expect(visit.widget.locator(".compare")).to_have_class("compare both cutout")
        await visit.widget.get_by_role("slider").focus()
        await shoot(visit, folder, f"{width}-{scheme}-cutout")


async def in_language(browser: Browser, url: str, folder: Path, language: str) -> None:
    """The smallest screen: done, and without a network."""
    size = {"width": 320, "height": 640}
    async with visiting(browser, viewport=size, has_touch=True) as visit:
        await visit.page.goto(url)
        await visit.page.evaluate("(lang) => { document.querySelector('perkie-portrait').lang = lang }", language)
        await expect(visit.widget.locator(f".frame[lang={language}]")).to_be_visible()
        await visit.choose(CAT)
        await visit.filled(*DRAWN)
        await shoot(visit, folder, f"320-{language}-ready")
        await visit.page.context.set_offline(True)
        await visit.card("bw_fine_art").get_by_role("button").click()
        await expect(visit.widget.locator(".message.bad")).to_be_visible()
        await shoot(visit, folder, f"320-{language}-offline")


async def main(folder: Path) -> None:
    """All of them."""
    folder.mkdir(parents=True, exist_ok=True)
    env = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_STYLE_ENGINE": "local", "PERKIE_QUOTA_IP_CEILING": "1000"}
    with tempfile.TemporaryDirectory() as home, perkie_serve(Path(home), env=env) as server:
        async with chromium() as browser:
            for width in SIZES:
                for scheme in ("light", "dark"):
                    await states(browser, server.url, folder, width, scheme)
            for language in LANGUAGES:
                await in_language(browser, server.url, folder, language)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
