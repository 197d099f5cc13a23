"""Fault plans as files."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile


def read_plan_file(path: Path) -> object:
    """The table of a ``.json`` file, or of TOML.

    Raises: UnreadableFile, InvalidParameter.
    """
    try:
        text = path.read_text("utf-8")
        return json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"fault plan {path} cannot be read: {error}") from error
    except ValueError as error:
        raise InvalidParameter(f"fault plan {path}: {error}") from error
