"""`perkie deploy` typed against an emulated Cloud Run."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Perkie
from tests.run_services import NEW
from tests.shipping import Shop, shop

SETTINGS = f"""\
[artistic]
image = "{NEW}"
[artistic.secrets]
GEMINI_API_KEY = "gemini-key"
PERKIE_HTTP_LINK_SECRET = "link-secret"
PERKIE_HTTP_JWT_SECRET = "jwt-secret"
SHOPIFY_API_SECRET = "shopify-secret"
[canary]
hold = "0.1s"
max_hold = "50s"
interval = "0.02s"
min_samples = 10
levels = ["error_rate"]
smoke = ""
load = ""
[production]
project = "a-project"
bucket.name = "a-bucket"
"""
WAITING = ('hold = "0.1s"\nmax_hold = "50s"', 'hold = "10m"\nmax_hold = "10m"')


class Typed:
    """Types commands in a folder with the settings: in this process, or in one of their own."""

    def __init__(self, folder: Path, here: Perkie | None) -> None:
        self._folder = folder
        self._here = here

    async def start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "perkie_cli", "deploy", *words, "--env", "production"),
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    async def run(self, *words: str, code: int = 0) -> tuple[str, str]:
        if self._here is not None:
            done = await asyncio.to_thread(self._here, "deploy", *words, "--env", "production")
            assert done.returncode == code, done.stderr
            return done.stdout, done.stderr
        process = await self.start(*words)
        out, err = (each.decode() for each in await asyncio.wait_for(process.communicate(), 120))
        assert process.returncode == code, err
        return out, err


@asynccontextmanager
async def a_shop(
    tmp_path: Path, settings: str = SETTINGS, here: Perkie | None = None, **options: Any
) -> AsyncIterator[tuple[Shop, Typed]]:
    """``here``: to type in this process."""
    async with shop(**options) as its:
        (tmp_path / "deploy.toml").write_text(settings, "utf-8")
        with pytest.MonkeyPatch.context() as environ:
            for name, value in {**its.cloud.environ, "NO_COLOR": "1", "COLUMNS": "200"}.items():
                environ.setenv(name, value)
            yield its, Typed(tmp_path, here)
