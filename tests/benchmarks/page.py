"""Time to the first interaction with the page at / on a slow phone, against a bare page of the same weight.

Both are loaded by Chromium without a cache, in turns, over 1.6 Mbit/s with 150 ms of latency on a processor four times
as slow. The bare page is one HTML file and one script of as many bytes as ours loads in all; its button works when that
script has run.
"""

import argparse
import asyncio
import os
import tempfile
import threading
from collections.abc import Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

from playwright.async_api import Browser

from tests.benchmarks.harness import Goal, Report
from tests.browser import chromium, visiting
from tests.serving import perkie_serve

TARGET, MOST_BYTES = 1.5, 60_000
NETWORK = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 94_000}
CPU = {"rate": 4}
BARE = b"""<!doctype html><html lang="en"><meta charset="utf-8"><title>bare</title>
<script src="weight.js" defer></script><button>Choose a photo</button>"""
# When something holds, in ms since the navigation; looked at before each frame, on both pages.
WATCH = """
window.seen = {};
(function look() {
  const root = document.querySelector("perkie-portrait")?.shadowRoot;
  const holds = {
    button: Boolean(root?.querySelector("button") || document.querySelector("button")?.onclick),
    component: Boolean(root?.querySelector(".frame")),
  };
  for (const [name, now] of Object.entries(holds)) if (now) window.seen[name] ??= performance.now();
  requestAnimationFrame(look);
})();
"""
WEIGHT = """() => performance.getEntries()
  .filter((each) => each.transferSize !== undefined && !each.name.includes("/api/"))
  .reduce((sum, each) => sum + each.transferSize, 0)"""


class Bare(BaseHTTPRequestHandler):
    """The bare page and its script, of ``weight`` bytes in all."""

    def __init__(self, weight: int, *args: object) -> None:
        self.weight = weight
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        script = b"document.querySelector('button').onclick = () => {};"
        filler = (
            b"/*"
            + os.urandom(self.weight).hex().encode()[: max(0, self.weight - len(BARE) - len(script) - 300)]
            + b"*/"
        )
        body = filler + script if self.path == "/weight.js" else BARE
        self.send_response(200)
        self.send_header("Content-Type", "text/javascript" if self.path == "/weight.js" else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the library's name
        pass


async def load(browser: Browser, url: str, wanted: str) -> tuple[dict[str, float], int]:
    """When the button and the component were there, in ms, and the bytes of all files."""
    async with visiting(browser, viewport={"width": 390, "height": 800}) as visit:
        devtools = await visit.page.context.new_cdp_session(visit.page)
        await devtools.send("Network.enable")
        await devtools.send("Network.emulateNetworkConditions", NETWORK)
        await devtools.send("Emulation.setCPUThrottlingRate", CPU)
        await visit.page.add_init_script(WATCH)
        await visit.page.goto(url)
        while wanted not in (seen := await visit.page.evaluate("window.seen")):  # noqa: ASYNC110  # seen from outside
            await asyncio.sleep(0.05)
        await visit.page.wait_for_load_state("networkidle")
        return seen, await visit.page.evaluate(WEIGHT)


async def measure(url: str, rounds: int) -> Report:
    async with chromium() as browser:
        _, weight = await load(browser, url, "component")
        bare = ThreadingHTTPServer(("127.0.0.1", 0), partial(Bare, weight))
        threading.Thread(target=bare.serve_forever, daemon=True).start()
        times: dict[str, list[float]] = {"bare": [], "button": [], "component": []}
        try:
            for _ in range(rounds):
                seen, bare_weight = await load(browser, f"http://127.0.0.1:{bare.server_port}/", "button")
                times["bare"].append(seen["button"])
                seen, weight = await load(browser, url, "component")
                times["button"].append(seen["button"])
                times["component"].append(seen["component"])
        finally:
            bare.shutdown()
    ms = {name: median(values) for name, values in times.items()}
    report = Report("page")
    report.rows = [
        {"page": "bare: its button works", "median ms": ms["bare"], "x bare": 1.0, "bytes": bare_weight},
        {
            "page": "perkie: Choose a photo works",
            "median ms": ms["button"],
            "x bare": ms["button"] / ms["bare"],
            "bytes": weight,
        },
        {
            "page": "perkie: the component is there",
            "median ms": ms["component"],
            "x bare": ms["component"] / ms["bare"],
            "bytes": weight,
        },
    ]
    report.goals = [
        Goal("first interaction / bare page", ms["button"] / ms["bare"], TARGET),
        Goal("bytes without pictures", weight, MOST_BYTES, unit="B"),
    ]
    return report


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="page")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(argv).rounds
    env = {"PERKIE_MATTING_ENGINE": "builtin", "PERKIE_STYLE_ENGINE": "local"}
    with tempfile.TemporaryDirectory() as home, perkie_serve(Path(home), env=env) as server:
        return asyncio.run(measure(server.url, rounds))
