"""The npm packages of package.json, for tests that start programs of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.node_clients import node_folder

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def npm() -> Path:
    """A folder whose ``node_modules`` holds them; a test is skipped where they cannot be had."""
    folder = node_folder()
    if isinstance(folder, str):
        pytest.skip(folder)
    return folder
