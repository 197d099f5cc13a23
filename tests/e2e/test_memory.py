"""Memory of large pictures: what decoding takes, in processes of their own, and what a server gives back."""

from __future__ import annotations

import io
import platform
import re
import subprocess
import sys
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.serving import perkie_serve

SIDE = 5500  # 30 MP
DECODE = """
import sys
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec, decode, encode

def status(name):
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

data = sys.stdin.buffer.read()
before = status("VmRSS")
codec.decode(data, ImageLimits())
print(status("VmHWM") - before)
"""
KERNEL = tuple(int(each) for each in re.findall(r"\d+", platform.release())[:2])
FETCH = """
import ctypes, resource, sys
from perkie_cli.system import memory

SIZE = 32 * 2**20
if sys.argv[1] == "keep":
    memory.keep()
memory.fetch(SIZE)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
pieces = [ctypes.create_string_buffer(2**20) for _ in range(SIZE // 2**20)]  # touches every page
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")


def large(kind: str, side: int = SIDE, *, alpha: bool = False) -> bytes:
    ramp = np.linspace(0, 255, side).astype(np.uint8)
    planes = [np.broadcast_to(ramp, (side, side)), np.broadcast_to(ramp[:, None], (side, side))]
    planes += [np.full((side, side), 90, np.uint8)] + ([planes[0]] if alpha else [])
    out = io.BytesIO()
    options = {"compress_level": 1} if kind == "PNG" else {"method": 0} if kind == "WEBP" else {}
    Image.fromarray(np.stack(planes, -1)).save(out, kind, **options)
    return out.getvalue()


@pytest.mark.parametrize(
    ("kind", "alpha", "most"),
    [("JPEG", False, 8), ("PNG", False, 9), ("WEBP", False, 9), ("PNG", True, 16), ("WEBP", True, 16)],
)
def test_decoding_takes_few_bytes_a_pixel(kind: str, alpha: bool, most: float) -> None:
    """Three are the picture itself, four with alpha; what it is shrunk to is half as large here."""
    done = subprocess.run(
        [sys.executable, "-c", DECODE],
        input=large(kind, alpha=alpha),
        capture_output=True,
        env={"PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert int(done.stdout) / SIDE**2 < most


@pytest.mark.skipif(KERNEL < (5, 14), reason="this kernel cannot fetch memory in advance")
def test_fetched_memory_needs_no_page_faults_any_more() -> None:
    """Only where it is kept: elsewhere it would go back at once."""

    def faults(how: str) -> int:
        done = subprocess.run(
            [sys.executable, "-c", FETCH, how], capture_output=True, env={"PYTHONPATH": str(ROOT)}, check=True
        )
        return int(done.stdout)

    assert faults("leave") > 8000
    assert faults("keep") < 800


def memory(pid: int, name: str) -> float:
    """In MiB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


@pytest.mark.slow
def test_a_server_takes_large_pictures_in_bounded_memory_and_gives_it_back(tmp_path: Path) -> None:
    env = {"PERKIE_STYLE_ENGINE": "local", "PERKIE_HTTP_GENERATE_DEADLINE": "500s", "PERKIE_HTTP_RATE_BURST": "1000"}
    pictures = [("PNG", False), ("WEBP", False), ("JPEG", False), ("PNG", True), ("WEBP", True)]
    with perkie_serve(tmp_path, env=env) as server, httpx.Client(base_url=server.url, timeout=600) as client:

        def draw(data: bytes) -> None:
            answer = client.post("/api/v1/generate", data={"style": "bw_fine_art"}, files={"image": data})
            assert answer.status_code == 200, answer.text

        draw(large("JPEG", 512))
        before = memory(server.process.pid, "VmRSS")
        for kind, alpha in pictures:
            draw(large(kind, 7000, alpha=alpha))
        assert memory(server.process.pid, "VmHWM") < 1200
        draw(large("JPEG", 600))  # its workers have a rest afterwards
        assert memory(server.process.pid, "VmRSS") < before + 250
