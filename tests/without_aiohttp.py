"""A pytest plugin (``-p tests.without_aiohttp``): the process runs as if aiohttp were not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder


class Blocker(MetaPathFinder):
    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name.split(".")[0] == "aiohttp":
            raise ModuleNotFoundError(f"No module named {name!r} (blocked for this test)", name=name)


assert "aiohttp" not in sys.modules
sys.meta_path.insert(0, Blocker())
