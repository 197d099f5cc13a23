"""The recipes of the shipped styles and engines, fingerprinted. See ``tests/unit/pictures/test_golden_keys.py``.

A changed prompt, default, checkpoint or version is meant to change its line here, and no other.
"""

from __future__ import annotations

import pytest

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.schema import GeminiSettings, MattingSettings, Settings
from perkie_cli.domain.secret import Secret


@pytest.fixture
def services() -> Services:
    gemini = GeminiSettings(api_key=Secret("k"), model="gemini-nano-banana-2.1")
    return build_services(Settings(gemini=gemini, matting=MattingSettings(remote_url="https://gpu.example/")))


@pytest.mark.parametrize(
    ("engine", "style", "size", "fingerprint"),
    [
        ("local", "ink_wash", 1024, "62f8ff7b85fc"),
        ("local", "van_gogh_post_impressionism", 1024, "fbe8d6ca9b61"),
        ("local", "bw_fine_art", 1024, "897faaabc128"),
        ("local", "bw_fine_art", 2048, "e0f47980bf5f"),
        ("gemini", "ink_wash", 1024, "be30a36d8ea5"),
        ("gemini", "van_gogh_post_impressionism", 1024, "5a1f0bfc3661"),
        ("gemini", "bw_fine_art", 1024, "3846abd3f46d"),
        ("gemini", "bw_fine_art", 2048, "e0cc31905909"),
    ],
)
def test_styles(services: Services, engine: str, style: str, size: int, fingerprint: str) -> None:
    recipe = services.engines[engine].recipe(services.styles.get(style), size)
    assert (recipe.engine, recipe.fingerprint) == (engine, fingerprint)


@pytest.mark.parametrize(
    ("engine", "mode", "fingerprint"),
    [
        ("inspyrenet", "base", "a06ee946087c"),
        ("inspyrenet", "fast", "fb02fa2fe9fb"),
        ("builtin", "base", "6b5428ad5abb"),
        ("builtin", "fast", "6b5428ad5abb"),
        ("remote", "base", "eb118e43e27a"),
        ("remote", "fast", "33837e85999f"),
    ],
)
def test_cutouts(services: Services, engine: str, mode: str, fingerprint: str) -> None:
    recipe = services.matting_engines[engine].recipe(mode)
    assert (recipe.engine, recipe.fingerprint) == (engine, fingerprint)
