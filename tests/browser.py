"""Pages in the system's Chromium, driven by playwright."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, ConsoleMessage, Locator, Page, Request, async_playwright, expect

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine")
WITHIN = 60_000  # ms: no test is decided by how fast the machine is
expect.set_options(timeout=WITHIN)

# A page of a shop, which playwright serves, calls a server on loopback: nobody is there to allow that.
FLAGS = ["--no-sandbox", "--disable-features=LocalNetworkAccessChecks"]

# What the widget tells, in the order in which it tells it; files become their sizes.
LISTEN = """
window.told = [];
for (const name of ["select", "error", "progress", "consent"]) {
  document.addEventListener("perkie:" + name, ({ detail }) => {
    window.told.push({ event: name, ...detail, file: detail.file?.size ?? null });
    window.photo = detail.file ?? window.photo;
  });
}
"""


def upload(data: bytes, name: str = "pet.jpg", kind: str = "image/jpeg") -> dict[str, Any]:
    """A file for ``choose`` that lies in memory only."""
    return {"name": name, "mimeType": kind, "buffer": data}


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The browser, until the block ends."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Visit:
    """A page in a browser's profile of its own. ``errors``: what its scripts threw, or its policy forbade."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.requests: list[Request] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._said)
        page.on("request", lambda request: self.requests.append(request))

    def _said(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.errors.append(message.text)

    async def open(self, url: str) -> None:
        """Goes there and waits for the widget."""
        await self.page.goto(url)
        await expect(self.widget.locator(".frame").first).to_be_visible()

    @property
    def widget(self) -> Locator:
        return self.page.locator("perkie-portrait")

    async def choose(self, *files: Path | str | dict[str, Any], block: int = 0) -> None:
        await self.widget.nth(block).locator("input.file").first.set_input_files(files)  # type: ignore[arg-type]

    async def says(self, text: str, block: int = 0) -> None:
        """Waits until the message has the text."""
        await expect(self.widget.nth(block).locator(".message")).to_contain_text(text)

    async def filled(self, *ids: str) -> None:
        """Waits until exactly these cards have a picture that is loaded."""
        await expect(self.widget.first.locator(".card.filled")).to_have_count(len(ids))
        for each in ids:
            image = self.card(each).locator("img")
            await expect(image).to_be_visible()
            await expect(image).not_to_have_js_property("naturalWidth", 0)

    def card(self, name: str) -> Locator:
        return self.widget.first.locator(f".card.{name}")

    def asked(self, path: str) -> list[Request]:
        """The requests so far to a path."""
        return [each for each in self.requests if each.url.partition("?")[0].endswith(path)]

    async def told(self, event: str) -> list[dict[str, Any]]:
        """The widget's events of that name so far."""
        told = json.loads(await self.page.evaluate("JSON.stringify(window.told)"))
        return [each for each in told if each["event"] == event]


@asynccontextmanager
async def visiting(browser: Browser, **how: Any) -> AsyncIterator[Visit]:
    """A new profile with one page; ``how`` as for playwright's ``new_context``."""
    context = await browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **how})
    context.set_default_timeout(WITHIN)
    await context.add_init_script(LISTEN)
    try:
        yield Visit(await context.new_page())
    finally:
        await context.close()
