"""The files that one picture really goes through: ``python -m tests.way cli|http`` prints them, counted by running.

A file leads on when it calls functions of at least three other files: these are the ones to read in order to follow a
picture. The rest are leaves (a rule, a format, a table), read when their caller makes one curious.
"""

from __future__ import annotations

import contextlib
import io
import json
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import perkie_cli

PACKAGE = str(Path(perkie_cli.__file__).parent) + "/"
CAT = Path(__file__).parents[1] / "examples" / "photos" / "cat.png"
LEADS_ON = 3  # other files
_FUNCTION = 0x1  # CO_OPTIMIZED: functions have it, the bodies of classes and modules do not
_COMPARING = "domain/frozen.py"  # the equality of values, which a dataclass would have written itself
_MAKERS = "bootstrap/"  # one line a part; its table is ``bootstrap/services.py``


class Way:
    """Records which file calls which, in every thread."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, set[str]] = defaultdict(set)
        self.entered: dict[str, None] = {}

    def begin(self) -> None:
        """Forgets what was seen so far: a thread is only seen when it was started inside the block."""
        self.calls.clear()
        self.entered.clear()

    def __enter__(self) -> Way:
        threading.setprofile(self._seen)
        sys.setprofile(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _seen(self, frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (here := _file(frame.f_code)):
            self.entered[here] = None
            caller = frame.f_back
            while caller is not None and not caller.f_code.co_filename.startswith(PACKAGE):
                caller = caller.f_back
            there = caller and _file(caller.f_code)
            if there and there != here:
                self.calls[there].add(here)

    @property
    def leading(self) -> list[str]:
        """The files that lead on, in the order in which they are entered."""
        return [file for file in self.entered if len(self.calls[file]) >= LEADS_ON and not file.startswith(_MAKERS)]


def _file(code: CodeType) -> str | None:
    named = code.co_filename.startswith(PACKAGE) and code.co_flags & _FUNCTION
    name = code.co_filename.removeprefix(PACKAGE)
    return name if named and name != _COMPARING else None


def cli() -> Way:
    """``perkie stylize cat.png --style bw_fine_art``, drawn for the first time."""
    from perkie_cli.cli.boundary import run
    from perkie_cli.cli.flags import hoist

    with tempfile.TemporaryDirectory() as out, contextlib.redirect_stdout(io.StringIO()), Way() as way:
        code = run(hoist(["-q", "stylize", str(CAT), "--style", "bw_fine_art", "--out-dir", out]))
    assert code == 0
    return way


def http() -> Way:
    """``POST /api/v1/generate`` of a running app, drawn for the first time."""
    from starlette.testclient import TestClient

    from perkie_cli.bootstrap import Profile, build_services
    from perkie_cli.config.schema import Settings
    from perkie_cli.http.app import create_app

    app = create_app(build_services(Settings(), profile=Profile.SERVER))
    form = {"style": "bw_fine_art", "session_id": "s1"}
    with Way() as way, TestClient(app, base_url="http://127.0.0.1", client=("127.0.0.1", 50000)) as client:
        client.get("/health")
        way.begin()
        answer = client.post("/api/v1/generate", data=form, files={"image": CAT.read_bytes()})
    assert answer.status_code == 200, answer.text
    return way


WAYS: dict[str, Callable[[], Way]] = {"cli": cli, "http": http}

if __name__ == "__main__":
    found = WAYS[sys.argv[1]]()
    json.dump({"entered": len(found.entered), "leading": found.leading}, sys.stdout)
