"""The layout holds: who may import whom, what no folder or file may grow past, and that nothing runs in circles."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3] / "perkie_cli"
MODULES = sorted(ROOT.rglob("*.py"))

# A folder and what of perkie it imports, besides itself: no less, so that a row that nobody needs does not stay.
# cli, http and api (the public functions of Python) are the faces; bootstrap is the one place that knows which part
# stands behind which port.
IMPORTS: dict[str, set[str]] = {
    "domain": set(),
    "ports": {"domain", "imaging"},
    "imaging": {"domain"},
    "config": {"domain"},
    "system": {"domain", "ports"},
    "telemetry": {"domain", "ports", "system"},
    "resilience": {"domain", "ports", "system"},
    "engines": {"domain", "ports", "imaging"},
    "stores": {"domain", "ports", "system"},
    "services": {"domain", "ports", "imaging", "resilience", "system"},
    "ops": {"config", "domain", "loadtest", "ports", "telemetry"},
    "reports": {"domain"},
    "auth": {"domain", "config"},
    "batch": {"domain", "imaging", "ports", "reports", "services", "system"},
    "emulators": {"domain", "ports", "imaging"},
    "loadtest": {"config", "domain", "emulators", "imaging", "reports"},
    "bootstrap": {
        *("config", "domain", "engines", "ops", "ports", "resilience", "services", "stores", "system", "telemetry"),
    },
    "api": {"batch", "bootstrap", "config", "domain", "imaging", "services"},
    "http": {*("auth", "bootstrap", "config", "domain", "imaging", "ports", "services", "system")},
    "cli": {
        *("auth", "batch", "bootstrap", "config", "domain", "emulators", "http", "imaging", "loadtest", "ops", "ports"),
        *("reports", "services", "system", "telemetry"),
    },
}
# What a folder leaves to others: libraries that belong behind a port, or to one face.
FOREIGN = {
    "services": {"typer", "fastapi", "rich", "google", "sqlite3", "httpx2"},
    "resilience": {"typer", "fastapi", "rich", "google", "sqlite3", "httpx2", "numpy", "cv2"},
    "http": {"typer", "rich", "google", "sqlite3", "cv2"},
    "cli": {"fastapi", "starlette", "google", "sqlite3", "cv2", "ray"},
    "batch": {"typer", "fastapi", "rich", "google", "sqlite3"},
    "loadtest": {"typer", "fastapi", "rich", "google", "sqlite3", "aiohttp", "httpx2"},
}
MAX_FILES = 18  # in one folder, with its __init__
ONE_A_COMMAND = ROOT / "cli" / "commands"  # grows with the commands; each file ties one to its subject's folder


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "perkie_cli":
            yield from (f"perkie_cli.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def folder_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    return set(imports(ast.parse(path.read_text("utf-8"))))


def ours(modules: set[str]) -> set[str]:
    return {module.split(".")[1] for module in modules if module.startswith("perkie_cli.")}


def test_every_folder_and_module_at_the_top_has_its_row() -> None:
    folders = {path.name for path in ROOT.iterdir() if (path / "__init__.py").exists()}
    modules = {path.stem for path in ROOT.glob("*.py")} - {"__init__", "__main__"}
    differ = (folders | modules) ^ set(IMPORTS)
    assert differ == set(), f"IMPORTS above has no row for, or a row too many of, {', '.join(sorted(differ))}"


@pytest.mark.parametrize("folder", IMPORTS)
def test_a_folder_imports_what_its_row_says_and_nothing_else(folder: str) -> None:
    used = {each for path in MODULES if folder_of(path) == folder for each in ours(imported(path))} - {folder}
    more, less = sorted(used - IMPORTS[folder]), sorted(IMPORTS[folder] - used)
    assert not more, f"{folder}/ may not import {', '.join(more)}: move the code, or pass it in behind a port"
    assert not less, f"{folder}/ no longer imports {', '.join(less)}: take it out of its row in IMPORTS"


def test_the_rows_point_one_way() -> None:
    """No folder reaches itself over others; ports and imaging know each other's plain values only."""
    waiting = {folder: set(row) for folder, row in IMPORTS.items()}
    while free := [folder for folder, row in waiting.items() if not row]:
        for folder in free:
            del waiting[folder]
        for row in waiting.values():
            row.difference_update(free)
    assert not waiting, f"a circle among {sorted(waiting)}"


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_libraries_stay_behind_their_port(path: Path) -> None:
    roots = {module.split(".")[0] for module in imported(path)}
    if (folder := folder_of(path)) == "domain":
        assert not roots - set(sys.stdlib_module_names) - {"perkie_cli"}, "domain imports the standard library only"
    wrong = roots & FOREIGN.get(folder, set())
    assert not wrong, f"{', '.join(wrong)} is kept out of {folder}/ (FOREIGN above): put it behind a port, or in a face"


def test_no_module_imports_itself_over_others() -> None:
    names = {_module(path): path for path in MODULES}
    graph = {name: {each for each in imported(path) if each in names} - {name} for name, path in names.items()}
    for package in [name for name, path in names.items() if path.name == "__init__.py"]:
        graph[package] = {each for each in graph[package] if not each.startswith(f"{package}.")}  # what it re-exports
    circle = _circles(graph)
    assert circle == [], f"these import each other: {', '.join(circle)}"


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


def _circles(graph: Mapping[str, set[str]]) -> list[str]:
    """Names that stay when everything that imports nothing left has been taken away, again and again."""
    left = {name: set(targets) for name, targets in graph.items()}
    while free := [name for name, targets in left.items() if not targets]:
        for name in free:
            del left[name]
        for targets in left.values():
            targets.difference_update(free)
    # and the other way round: what nobody left imports is no part of a circle
    while free := [name for name in left if not any(name in targets for targets in left.values())]:
        for name in free:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("path", MODULES, ids=named)
def test_nothing_grows_past_its_purpose(path: Path) -> None:
    text = path.read_text("utf-8")
    lines = len(text.splitlines())
    assert lines <= 400, f"{named(path)} has {lines} lines, and 400 are the limit: split it by subject"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} has over 60 lines"


def test_no_folder_grows_past_its_purpose() -> None:
    for folder in {path.parent for path in MODULES} - {ONE_A_COMMAND}:
        files = len(list(folder.glob("*.py")))
        assert files <= MAX_FILES, f"{named(folder)}/ has {files} files, and {MAX_FILES} are the limit: split it"


def test_only_the_renderer_prints() -> None:
    writers = {
        named(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ("sys.stdout.write", "sys.stderr.write")
    }
    others = writers - {"cli/render.py"}
    assert others == set(), (
        f"{', '.join(others)} writes to a stream itself: give cli/render.py a Report, say() or warn()"
    )


def test_tasks_are_made_by_the_tools_for_waiting() -> None:
    """The others share one task among callers, pull a stream, or open connections; emulators stand for servers."""
    makers = {
        named(path)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute)
        and (node.attr == "ensure_future" or (node.attr == "create_task" and ast.unparse(node.value) != "group"))
    }
    assert {name for name in makers if not name.startswith("emulators/")} == {
        "engines/gemini/engine.py",
        "engines/inspyrenet/batching.py",
        "http/answer/sse.py",
        "http/routes/process.py",
        "loadtest/generator/connection.py",
        "resilience/once.py",
        "resilience/probe.py",
        "system/waiting.py",
    }


FILES = {
    *("open", "read_bytes", "read_text", "write_bytes", "write_text", "stat", "lstat", "exists", "is_file", "is_dir"),
    *("iterdir", "glob", "rglob", "walk", "mkdir", "rmdir", "unlink", "rename", "chmod", "resolve", "samefile"),
    *("expanduser", "listdir", "scandir", "makedirs", "fsync", "mkstemp", "hardlink_to", "symlink_to"),
}


@pytest.mark.parametrize("folder", ["domain", "services", "resilience", "ports"])
def test_rules_and_use_cases_leave_files_to_their_ports(folder: str) -> None:
    found = {
        f"{named(path)}: {ast.unparse(node.func)}"
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and _called(node.func) in FILES
    }
    assert found == set(), f"files belong behind a port: {', '.join(sorted(found))}"
    for path in (ROOT / folder).rglob("*.py"):
        assert not imported(path) & {"shutil", "tempfile", "glob", "fcntl", "mmap"}, named(path)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def test_makers_import_on_top() -> None:
    """A maker's module is imported when its part is asked for; only what half of its callers never need comes later."""
    late = {
        f"{named(path)}: {inner.module}"
        for path in (ROOT / "bootstrap").rglob("*.py")
        for function in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(function)
        if isinstance(inner, ast.ImportFrom)
    }
    exporting = "perkie_cli.engines.inspyrenet.export"  # ONNX Runtime and OpenCV
    assert late == {f"bootstrap/models.py: {exporting}", f"bootstrap/engines/inspyrenet.py: {exporting}"}
