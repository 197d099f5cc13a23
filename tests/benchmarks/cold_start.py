"""From the start of `perkie serve` to its first health check and its first picture, against a bare FastAPI app.

The bare app has one health route and one that decodes its body, runs cv2.stylization at 1024 px and encodes the result;
both are fresh processes that take turns. The second picture of perkie, at the end, shows what is left of the start.
"""

import argparse
import base64
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from tests.benchmarks.harness import Goal, Report
from tests.conftest import CAT
from tests.pictures import file_of
from tests.serving import ServerProcess, perkie_serve

BARE = """
import sys
import uvicorn
from fastapi import FastAPI, Request, Response

app = FastAPI()

@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}

@app.post("/picture")
async def picture(request: Request) -> Response:
    import cv2
    import numpy as np

    photo = cv2.imdecode(np.frombuffer(await request.body(), np.uint8), cv2.IMREAD_COLOR)
    scale = 1024 / max(photo.shape)
    photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_LANCZOS4)
    return Response(cv2.imencode(".jpg", cv2.stylization(photo))[1].tobytes(), media_type="image/jpeg")

class Server(uvicorn.Server):
    async def startup(self, sockets=None):
        await super().startup(sockets)
        port = self.servers[0].sockets[0].getsockname()[1]
        print(f"listening on http://127.0.0.1:{port}", file=sys.stderr, flush=True)

Server(uvicorn.Config(app, port=0, log_level="error", access_log=False)).run()
"""
STEPS = ("listening", "health", "first picture", "second picture")
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}  # bytecode, as every installed package has it
HEALTH_TARGET, PICTURE_TARGET = 1.5, 1.5


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="cold_start")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--style", default="ink_wash")
    arguments = parser.parse_args(argv)
    with Image.open(CAT) as cat:
        photos = [file_of(cat.convert("RGB"), quality=quality) for quality in (92, 91)]  # two that no cache confuses
    rounds: dict[str, list[list[float]]] = {"bare FastAPI": [], "perkie serve": []}
    for _ in range(arguments.rounds):
        rounds["bare FastAPI"].append(_bare(photos))
        rounds["perkie serve"].append(_perkie(photos, arguments.style))
    return _report({name: [*map(statistics.median, zip(*each, strict=True))] for name, each in rounds.items()})


def _bare(photos: Sequence[bytes]) -> list[float]:
    begun = time.perf_counter()
    server = ServerProcess([sys.executable, "-c", BARE], KEPT)
    try:
        return _steps(begun, server.url, [("/picture", "image/jpeg", photo) for photo in photos])
    finally:
        server.process.kill()
        server.process.wait()


def _perkie(photos: Sequence[bytes], style: str) -> list[float]:
    bodies = [b'{"style": "%s", "image_data": "%s"}' % (style.encode(), base64.b64encode(photo)) for photo in photos]
    with tempfile.TemporaryDirectory() as home:
        begun = time.perf_counter()
        with perkie_serve(Path(home), env={"PERKIE_STYLE_ENGINE": "local", **KEPT}) as server:
            return _steps(begun, server.url, [("/api/v1/generate", "application/json", body) for body in bodies])


def _steps(begun: float, url: str, pictures: Sequence[tuple[str, str, bytes]]) -> list[float]:
    """Seconds since ``begun`` of each step but the last, which is the second picture by itself."""
    ends = [time.perf_counter()]
    urllib.request.urlopen(f"{url}/health").read()
    ends.append(time.perf_counter())
    for path, kind, body in pictures:
        request = urllib.request.Request(url + path, data=body, headers={"Content-Type": kind, "Accept": "image/jpeg"})
        urllib.request.urlopen(request).read()
        ends.append(time.perf_counter())
    return [end - begun for end in ends[:-1]] + [ends[-1] - ends[-2]]


def _report(medians: dict[str, list[float]]) -> Report:
    bare, ours = medians["bare FastAPI"], medians["perkie serve"]
    report = Report("cold_start")
    report.rows = [
        {"s until": step, "bare FastAPI": floor, "perkie serve": own, "×": own / floor}
        for step, floor, own in zip(STEPS, bare, ours, strict=True)
    ]
    report.goals = [
        Goal("process start to health / bare FastAPI", ours[1] / bare[1], HEALTH_TARGET),
        Goal("process start to first picture / bare FastAPI with cv2.stylization", ours[2] / bare[2], PICTURE_TARGET),
    ]
    return report
