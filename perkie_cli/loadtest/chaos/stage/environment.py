"""The environment of perkie's own processes in an experiment."""

from __future__ import annotations

import os
from pathlib import Path

from perkie_cli.config.schema import rows


def clean_environment(home: Path) -> dict[str, str]:
    """Nothing of the user's own settings, stores or credentials; all folders are in ``home``."""
    ours = {each for row in rows() for each in row.env_names} | {"GOOGLE_APPLICATION_CREDENTIALS"}
    kept = {key: value for key, value in os.environ.items() if key not in ours and not key.startswith("PERKIE_")}
    home.mkdir(parents=True, exist_ok=True)
    folders = {f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CONFIG", "CACHE", "STATE", "DATA")}
    return {**kept, **folders, "HOME": str(home), "NO_PROXY": "127.0.0.1,localhost,::1"}
