"""Whoever is told finds a page, and every command on it can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import pytest

from perkie_cli.cli.app import load_command
from perkie_cli.cli.flags import hoist
from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import rows
from perkie_cli.domain import errors
from perkie_cli.domain.errors import PerkieError
from perkie_cli.ops.doctor.server import SERVER_CHECKS
from perkie_cli.ops.doctor.table import CHECKS
from perkie_cli.ops.monitor.live import described
from tests.conftest import ROOT

PAGES = {page.stem: page.read_text("utf-8") for page in sorted((ROOT / "docs" / "runbooks").glob("*.md"))}
LEVELS = read_levels()
SETTINGS = {row.name for row in rows()}


def typed() -> Iterator[tuple[str, list[str]]]:
    """Every ``perkie …``: lines of console blocks, and whole commands inside the text."""
    for name, text in PAGES.items():
        blocks = re.findall(r"```console\n(.*?)```", text, flags=re.S)
        lines = [line.strip() for block in blocks for line in block.splitlines()]
        lines += [f"$ {inline}" for inline in re.findall(r"`(perkie [^`]*)`", text)]
        for line in lines:
            words = [
                word for word in shlex.split(line.removeprefix("$ "), comments=True) if not re.match(r"[A-Z_]+=", word)
            ]
            if line.startswith("$ ") and words[:1] == ["perkie"]:
                yield name, words[1:]


TYPED = [*typed()]


def test_there_are_commands_on_the_pages() -> None:
    assert {name for name, _ in TYPED} == PAGES.keys()


@pytest.mark.parametrize(
    ("page", "words"), TYPED, ids=lambda value: " ".join(value) if isinstance(value, list) else value
)
def test_every_command_parses(page: str, words: list[str]) -> None:
    rest = hoist(words)
    while rest and rest[0].startswith("-"):  # global options, and their values
        rest = rest[2:] if rest[0] in ("--profile", "--config") else rest[1:]
    name, *args = rest
    command = load_command(name)
    if hasattr(command, "commands"):
        name, *args = args
        assert name in command.commands, f"{page}: there is no such command: {words}"
        command = command.commands[name]
    context = command.make_context(name, [*args])  # raises a usage error for what does not parse
    only, chosen = context.params.get("only"), {**CHECKS, **SERVER_CHECKS}
    if words[0] in ("monitor", "doctor") and only is not None:
        known = LEVELS.runbooks if words[0] == "monitor" else chosen
        assert set(only.split(",")) <= known.keys(), f"{page}: {only}"
    if words[:2] == ["config", "show"]:
        assert any(each.startswith(args[0]) for each in SETTINGS), f"{page}: no setting begins with {args[0]}"


def test_every_alert_has_a_page_that_names_it() -> None:
    for alert, runbook in LEVELS.runbooks.items():
        assert runbook in PAGES, f"{alert}: docs/runbooks/{runbook}.md does not exist"
        assert f"`{alert}`" in PAGES[runbook], f"docs/runbooks/{runbook}.md does not name {alert}"


def test_the_index_names_every_alert_its_severity_and_its_page() -> None:
    index = {
        alert: (severity, page)
        for cells, severity, page in re.findall(r"(?m)^\| (`.*?) \| (\w+) \| \[.*?\]\((.*?)\.md\)", PAGES["README"])
        for alert in re.findall(r"`([\w-]+)`", cells)
    }
    assert index == {each.name: (each.severity.value, each.runbook) for each in described(LEVELS)}
    linked = set(re.findall(r"\]\(([\w-]+)\.md\)", PAGES["README"]))
    assert linked == PAGES.keys() - {"README"}, "every page is in the index"


def test_links_lead_somewhere() -> None:
    for name, text in PAGES.items():
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (ROOT / "docs" / "runbooks" / target).exists(), f"{name} → {target}"


def test_settings_and_codes_on_the_pages_exist() -> None:
    groups = {name.split(".")[0] for name in SETTINGS}
    named = {each for text in PAGES.values() for each in re.findall(r"`([a-z]+\.[a-z_]+)\b", text)}
    known = SETTINGS | CHECKS.keys() | SERVER_CHECKS.keys() | {"http.rate"}
    assert {each for each in named if each.split(".")[0] in groups and not each.endswith("sqlite")} <= known
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PerkieError)}
    told = set(re.findall(r"[345]\d\d `(\w+)`", PAGES["errors"]))
    assert told
    assert told <= codes
