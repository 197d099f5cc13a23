"""The layout holds: who may import whom, and how long a file or a function may grow."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent / "perkie_cli"
MODULES = sorted(ROOT.rglob("*.py"))

# A layer and what of perkie it may import, besides itself. `telemetry.events` are plain records.
ALLOWED = {
    "domain": set(),
    "telemetry": {"domain", "ports", "config"},
    "config": {"domain"},
    "imaging": {"domain"},
    "resilience": {"domain", "ports", "telemetry"},
    "engines": {"domain", "ports", "imaging", "resilience", "telemetry"},
    "stores": {"domain", "ports", "imaging", "telemetry"},
    "services": {"domain", "ports", "imaging", "resilience", "telemetry"},
    "ops": {"domain", "ports", "config", "telemetry"},
}
NOT_IN_SERVICES = {"typer", "fastapi", "rich", "google", "sqlite3"}


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "perkie_cli":
            yield from (f"perkie_cli.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_dependencies_point_one_way(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0].removesuffix(".py")
    modules = list(imports(ast.parse(path.read_text("utf-8"))))
    ours = {module.split(".")[1] for module in modules if module.startswith("perkie_cli.")}
    if layer in ALLOWED:
        assert ours <= ALLOWED[layer] | {layer}, f"{layer} must not import {ours - ALLOWED[layer] - {layer}}"
    if layer == "domain":
        foreign = {module.split(".")[0] for module in modules} - set(sys.stdlib_module_names) - {"perkie_cli"}
        assert not foreign, "domain imports the standard library only"
    if layer == "services":
        assert not {module.split(".")[0] for module in modules} & NOT_IN_SERVICES


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_grows_past_its_purpose(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} has over 60 lines"


def test_only_the_renderer_prints() -> None:
    writers = {
        named(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout.write", "sys.stderr.write")
    }
    assert writers <= {"cli/render.py"}
