"""Whoever is told finds a page, and every command on it can be typed as it stands."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator

import pytest

from perkie_cli.cli.app import load_command
from perkie_cli.cli.flags import hoist
from perkie_cli.config.levels.reading import read_levels
from perkie_cli.config.schema import rows
from perkie_cli.domain import errors
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.service_levels import Severity
from perkie_cli.ops.doctor.server import SERVER_CHECKS
from perkie_cli.ops.doctor.table import CHECKS
from perkie_cli.ops.monitor.live import described
from perkie_cli.ops.monitor.place import Place
from perkie_cli.ops.monitor.resources import wanted
from perkie_cli.ports.monitoring import Kind
from tests.conftest import ROOT

PAGES = {page.stem: page.read_text("utf-8") for page in sorted((ROOT / "docs" / "runbooks").glob("*.md"))}
LEVELS = read_levels()
SETTINGS = {row.name for row in rows()}
ADDRESS = "https://docs.example/runbooks"
# By page the text under each heading of the second level; an alert's name is its own anchor.
SECTIONS = {name: dict(re.findall(r"(?ms)^## (.+?)\n(.*?)(?=^## |\Z)", text)) for name, text in PAGES.items()}
SHARED = {"availability", "cutout-availability", "errors", "spending"}


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


def test_every_alert_s_link_leads_to_the_section_of_its_name_which_says_how_urgent_it_is() -> None:
    place = Place("p", dict.fromkeys(Severity, ()), dict.fromkeys(Severity, "X"), "a.example", ADDRESS)
    links = {
        each.id: each.body["documentation"]["links"][0]["url"]
        for each in wanted(LEVELS, place)
        if each.kind is Kind.POLICY
    }
    assert links.keys() == LEVELS.runbooks.keys()
    for each in described(LEVELS):
        page, _, anchor = links[each.name].removeprefix(f"{ADDRESS}/").partition(".md#")
        assert anchor == each.name
        section = SECTIONS[page][anchor]
        assert section.lstrip().startswith(each.severity.value.title()), f"{page}: what kind is {each.name}?"


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {"README", "drills"}))
def test_a_page_tells_of_its_alerts_and_then_what_to_do(page: str) -> None:
    alerts = [name for name, runbook in LEVELS.runbooks.items() if runbook == page]
    *first, look, do, over, wake = SECTIONS[page]
    assert (look, do, over, wake) == ("Look", "Do", "Over", "Wake")
    assert sorted(first) == sorted(alerts)
    assert "$ perkie " in SECTIONS[page]["Look"], "seen in a minute, with a command"
    assert all(SECTIONS[page].values())
    assert PAGES[page].count("\n") < 80, "it is read at night"


def test_alerts_share_a_page_only_as_levels_of_one_measure() -> None:
    shared = Counter(LEVELS.runbooks.values())
    assert {page for page, count in shared.items() if count > 1} == SHARED


def test_the_index_names_every_alert_its_severity_and_its_section() -> None:
    index = re.findall(r"(?m)^\| `([\w-]+)` \| (\w+) \| \[.*?\]\((.*?)\.md#(.*?)\)", PAGES["README"])
    assert sorted(index) == sorted(
        (each.name, each.severity.value, each.runbook, each.name) for each in described(LEVELS)
    )
    linked = set(re.findall(r"\]\(([\w-]+)\.md", PAGES["README"]))
    assert linked == PAGES.keys() - {"README"}, "every page is in the index"


def test_links_lead_somewhere() -> None:
    for name, text in PAGES.items():
        for target, anchor in re.findall(r"\]\((?!https?:|#)([^)#]+)#?([^)]*)", text):
            assert (ROOT / "docs" / "runbooks" / target).exists(), f"{name} → {target}"
            headings = {each.lower().replace(" ", "-") for each in SECTIONS.get(target.removesuffix(".md"), ())}
            assert not anchor or ".." in target or anchor in headings, f"{name} → {anchor}"


def test_complaints_lead_to_pages() -> None:
    rows = re.findall(r"(?m)^\| (.*?\".*) \| (.*) \|$", SECTIONS["README"]["By complaint"])
    assert len(rows) > 8
    assert all("](" in pages for _, pages in rows)
    said = " ".join(words for words, _ in rows)
    for words in ("pictures are gone", "portraits look different", "more than five", "no more pictures", "slow"):
        assert words in said


def test_settings_and_codes_on_the_pages_exist() -> None:
    groups = {name.split(".")[0] for name in SETTINGS}
    named = {each for text in PAGES.values() for each in re.findall(r"`([a-z]+\.[a-z_]+)\b", text)}
    known = SETTINGS | CHECKS.keys() | SERVER_CHECKS.keys() | {"http.rate"}
    assert {each for each in named if each.split(".")[0] in groups and not each.endswith("sqlite")} <= known
    codes = {each.code for each in vars(errors).values() if isinstance(each, type) and issubclass(each, PerkieError)}
    told = set(re.findall(r"[345]\d\d `(\w+)`", PAGES["errors"]))
    causes = {
        each for row in re.findall(r"(?m)^\| (`.*?) \|", PAGES["substitutes"]) for each in re.findall(r"`(\w+)`", row)
    }
    assert told
    assert causes
    assert told | causes <= codes | {"reason"}
