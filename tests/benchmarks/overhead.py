"""What perkie adds around Gemini: guard, ledger and checks against the bare google-genai client, same pictures."""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from google import genai
from google.genai import types

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import GeminiSettings, Settings
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.request import CacheUse, GenerateRequest
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini import question
from perkie_cli.engines.gemini.picture import LIMITS
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import RenderJob
from tests.benchmarks.harness import Goal, Report
from tests.gemini_bench import STYLE, photo

MODEL, SIZE = "gemini-nano-banana-2.1", 256
ADDED_MS, RATIO = 5.0, 1.3
Case = Callable[[], Awaitable[object]]


@contextlib.contextmanager
def emulator() -> Iterator[str]:
    """In a process of its own, so that it does not share our event loop."""
    command = [sys.executable, "-m", "perkie_cli", "emulate", "gemini", "--port", "0", "--picture", "tiny"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def set_latency(url: str, seconds: float) -> None:
    body = json.dumps({"latency": {"median": seconds, "p95": seconds}}).encode()
    urllib.request.urlopen(urllib.request.Request(f"{url}/_emulator/plan", body, method="PUT"), timeout=10).close()


def finished(data: bytes) -> Raster:
    """The answered picture at the size that was asked for."""
    return codec.resize(codec.decode(data, LIMITS).raster, SIZE)


class Cases:
    """The same picture four ways; each leaves no trace in the cache."""

    def __init__(self, services: Services, client: genai.Client) -> None:
        self.services = services
        self.client = client
        self.raster = photo(512, 340)
        self.upload = codec.photo(codec.encode(self.raster, ImageFormat.JPEG).data, ImageLimits())
        self.reference = question.reference(self.raster, 1536)
        self.answered = b""

    async def bare(self) -> bytes:
        """Nothing but the SDK."""
        return await self._call(self.reference)

    async def bare_with_pictures(self) -> None:
        """The SDK, and what any caller must do: shrink the photo before, decode the picture after."""
        workers = self.services.workers
        reference = await workers.run(question.reference, self.raster, 1536)
        await workers.run(finished, await self._call(reference))

    async def engine(self) -> None:
        """The guarded engine: the same pictures, and limits, breaker, deadline, ledger."""
        deadline = Deadline.after(50, self.services.clock.monotonic())
        await self.services.gemini.render(RenderJob(self.raster, STYLE, SIZE, deadline))

    async def generate(self) -> None:
        """The whole service, cache off: also decodes the upload and encodes the master."""
        await self.services.generate(
            GenerateRequest(self.upload, "ink_wash", size=SIZE, cache=CacheUse.OFF, deadline=50.0)
        )

    async def pictures(self) -> None:
        """All decoding and encoding of ``generate``, alone."""
        workers = self.services.workers
        decoded = await workers.run(codec.decode, self.upload.data, ImageLimits())
        await workers.run(question.reference, decoded.raster, 1536)
        drawn = await workers.run(finished, self.answered)
        await workers.run(codec.encode_master, drawn)

    async def _call(self, reference: bytes) -> bytes:
        image = types.Part.from_bytes(data=reference, mime_type="image/jpeg")
        config = types.GenerateContentConfig(
            response_modalities=["IMAGE"],
            image_config=types.ImageConfig(aspect_ratio="3:2", image_size="1K"),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        prompt = types.Part.from_text(text=STYLE.prompt)
        contents = types.UserContent([prompt, image])
        response = await self.client.aio.models.generate_content(model=MODEL, contents=contents, config=config)
        (picture,) = (part.inline_data for part in response.parts or [] if part.inline_data is not None)
        assert picture.data is not None
        return picture.data


async def one_by_one(cases: dict[str, Case], rounds: int) -> dict[str, float]:
    """Median ms of a call; the cases take turns."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 3):
        for name, case in cases.items():
            start = time.perf_counter()
            await case()
            if turn >= 3:
                taken[name].append((time.perf_counter() - start) * 1000)
    return {name: statistics.median(values) for name, values in taken.items()}


async def at_once(cases: dict[str, Case], count: int, rounds: int) -> dict[str, float]:
    """Median ms until ``count`` concurrent calls are done; the cases take turns."""

    def batch(case: Case) -> Case:
        return lambda: asyncio.gather(*(case() for _ in range(count)))

    return await one_by_one({name: batch(case) for name, case in cases.items()}, rounds)


async def measure(url: str, folder: str, rounds: int) -> Report:
    report = Report("overhead")
    endless: dict[str, Any] = {"daily_cap_usd": Decimal(10**6), "calls_per_minute": 10**6, "tokens_per_minute": 10**10}
    settings = Settings(gemini=GeminiSettings(api_key=Secret("any"), base_url=url, **endless))
    homes = {f"XDG_{kind}_HOME": str(Path(folder) / kind) for kind in ("CACHE", "CONFIG", "STATE")}
    services = build_services(settings, homes)
    client = genai.Client(api_key="any", http_options=types.HttpOptions(base_url=url))
    cases = Cases(services, client)
    try:
        cases.answered = await cases.bare()
        await measure_alone(report, url, cases, rounds)
        await measure_crowd(report, url, cases, max(3, rounds // 10))
    finally:
        await services.aclose()
        await client.aio.aclose()
    return report


async def measure_alone(report: Report, url: str, cases: Cases, rounds: int) -> None:
    chosen: dict[str, Case] = {
        "bare client": cases.bare,
        "bare client and pictures": cases.bare_with_pictures,
        "guarded engine": cases.engine,
        "services.generate": cases.generate,
        "its pictures alone": cases.pictures,
    }
    for latency in (0.0, 0.2):
        set_latency(url, latency)
        found = await one_by_one(chosen, rounds if latency == 0 else rounds // 4)
        for name, ms in found.items():
            report.rows.append({"case": name, "upstream ms": latency * 1000, "calls": 1, "ms": ms})
        engine = found["guarded engine"] - found["bare client and pictures"]
        whole = found["services.generate"] - found["bare client"] - found["its pictures alone"]
        report.goals.append(Goal(f"engine adds, {latency * 1000:g} ms upstream", engine, ADDED_MS, unit="ms"))
        report.goals.append(Goal(f"generate adds, {latency * 1000:g} ms upstream", whole, ADDED_MS, unit="ms"))


async def measure_crowd(report: Report, url: str, cases: Cases, rounds: int) -> None:
    set_latency(url, 0.2)
    chosen: dict[str, Case] = {
        "bare client": cases.bare,
        "bare client and pictures": cases.bare_with_pictures,
        "guarded engine": cases.engine,
    }
    found = await at_once(chosen, 100, rounds)
    for name, ms in found.items():
        report.rows.append({"case": name, "upstream ms": 200.0, "calls": 100, "ms": ms})
    ratio = found["guarded engine"] / found["bare client and pictures"]
    report.goals.append(Goal("100 calls at once, same pictures", ratio, RATIO))


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="overhead")
    parser.add_argument("--rounds", type=int, default=60)
    arguments = parser.parse_args(argv)
    os.environ.pop("GOOGLE_API_KEY", None)
    with tempfile.TemporaryDirectory() as folder, emulator() as url:
        return asyncio.run(measure(url, folder, arguments.rounds))
