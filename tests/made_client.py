"""Makes docs/openapi.json from the app, and the example client's models from that: python -m tests.made_client"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import Settings
from perkie_cli.http.app import create_app
from tests.conftest import ROOT
from tests.http_server import secured

DOCUMENT = ROOT / "docs" / "openapi.json"


def document() -> dict[str, Any]:
    """What a server says that asks for every kind of credentials."""
    with tempfile.TemporaryDirectory() as home:
        return create_app(build_services(Settings(http=secured(Path(home))), profile=Profile.SERVER)).openapi()


def models(*flags: str) -> subprocess.CompletedProcess[str]:
    """The generator, as pyproject.toml sets it."""
    command = [sys.executable, "-m", "datamodel_code_generator", *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    DOCUMENT.write_text(json.dumps(document(), indent=2, ensure_ascii=False) + "\n", "utf-8")
    models().check_returncode()
