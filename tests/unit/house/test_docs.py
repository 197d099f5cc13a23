"""Documentation drifts only with a red test: commands, flags, settings, exit codes and links that it names exist."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.cli.app import COMMANDS, load_command
from perkie_cli.cli.flags import SWITCHES, VALUES
from perkie_cli.config.schema import MattingSettings, Settings, rows
from perkie_cli.domain import errors
from perkie_cli.domain.errors import EXIT_CODES, PerkieError
from tests import made_exit_codes

ROOT = Path(__file__).parents[3]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "tests" / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
TEXTS = {str(page.relative_to(ROOT)): page.read_text("utf-8") for page in PAGES}
ROOT_FLAGS = {*SWITCHES, *VALUES, "--help", "-h", "--install-completion", "--show-completion"}


def typed_commands() -> Iterator[tuple[str, list[str]]]:
    """Every `perkie …` of a console block, as words up to a comment, pipe or redirection."""
    for name, text in TEXTS.items():
        for block in re.findall(r"```(?:console|bash|sh)\n(.*?)```", text, flags=re.S):
            for line in re.sub(r"\\\n", " ", block).splitlines():
                if "perkie " in line:
                    for words in simple_commands(line.removeprefix("$ ")):
                        if words[:1] == ["perkie"] and len(words) > 1:
                            yield name, words[1:]


def simple_commands(line: str) -> Iterator[list[str]]:
    """The words of each command of a shell line, without assignments before it."""
    tokens = shlex.shlex(line, posix=True, punctuation_chars=True)
    tokens.whitespace_split = True
    words: list[str] = []
    for token in [*tokens, ";"]:
        if set(token) <= set("|&;<>()"):
            yield words
            words = []
        elif words or not re.match(r"\w+=", token):
            words.append(token)


def flags_of(command: Any) -> set[str]:
    return {flag for param in command.params for flag in (*param.opts, *param.secondary_opts)} | ROOT_FLAGS


@pytest.mark.parametrize(("page", "words"), [*typed_commands()], ids=lambda value: " ".join(value) if value else "")
def test_what_the_reader_is_told_to_type_exists(page: str, words: list[str]) -> None:
    plain = [word for word in words if not word.startswith("-")]
    if not plain or words[0] in ("--version", "--help", "--install-completion"):
        assert set(words) <= ROOT_FLAGS, f"{page}: {words}"
        return
    name = next((word for word in plain if word in COMMANDS), None)
    assert name, f"{page}: no such command in {words}"
    command = load_command(name)
    rest = words[words.index(name) + 1 :]
    if (subcommands := getattr(command, "commands", None)) and rest != ["--help"]:
        sub = next((word for word in rest if word in subcommands), None)
        assert sub, f"{page}: no such sub-command in {words}"
        command = subcommands[sub]
    typed = {word.partition("=")[0] for word in rest if word.startswith("-") and len(word) > 1}
    assert typed <= flags_of(command), f"{page}: {typed - flags_of(command)} in {words}"


def test_settings_that_are_named_exist() -> None:
    known = {name for row in rows() for name in row.env_names}
    named = {name for text in TEXTS.values() for name in re.findall(r"\bPERKIE_[A-Z0-9_]+\b", text)}
    gone = named - {"PERKIE_PROFILE", "PERKIE_CONFIG"} - known
    assert gone == set(), f"a page names {', '.join(sorted(gone))}, and config/schema.py has no such setting"


def test_the_table_of_exit_codes_is_the_error_tree() -> None:
    codes = {cls.exit_code for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, PerkieError)}
    differ = sorted((codes | {0}) ^ EXIT_CODES.keys())
    assert differ == [], f"EXIT_CODES in domain/errors/base.py has no line for, or one too many of, {differ}"
    assert made_exit_codes.written(TEXTS["README.md"]) == TEXTS["README.md"], "run python -m tests.made_exit_codes"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name} → {target}"


def test_every_command_is_told_of() -> None:
    everything = "\n".join(TEXTS.values())
    untold = [name for name in COMMANDS if f"perkie {name}" not in everything]
    assert untold == [], f"no page says `perkie {', '.join(untold)}`: tell of it in README.md or docs/"


def test_every_extra_that_is_told_of_can_be_installed() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "perkie_cli").rglob("*.py"))
    named = re.findall(r"perkie-cli\[([\w,]+)\]", "\n".join([*TEXTS.values(), sources]))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert {each for names in named for each in names.split(",")} <= set(extras)


def test_every_route_is_told_of() -> None:
    """``test_http_docs`` holds the document to the app."""
    document = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    untold = [path for path in document["paths"] if path not in TEXTS["docs/http.md"]]
    assert untold == [], f"docs/http.md does not name {', '.join(untold)}: add a row to its table of routes"


@pytest.mark.parametrize(("group", "command"), [("style", "stylize"), ("matting", "remove-bg")])
def test_every_engine_can_be_chosen_and_is_told_of(group: str, command: str) -> None:
    services = build_services(Settings(matting=MattingSettings(remote_url="http://gpu.example")))
    known = {"style": services.engines, "matting": services.matting_engines}[group]
    engines = set(known) - set(services.networks)  # those of models.toml are a user's own
    (row,) = (row for row in rows() if row.name == f"{group}.engine")
    if group == "style":
        assert set(re.findall(r"\w+", str(row.field.type))) - {"Literal"} == engines
    (flag,) = (param for param in load_command(command).params if "--engine" in param.opts)
    assert set(engines) <= set(re.findall(r"\w+", f"{flag.metavar} {flag.help}"))
    told = set(re.findall(r"\w+", "\n".join(TEXTS.values())))
    assert set(engines) <= told, f"no page names the engine {', '.join(set(engines) - told)}"


def test_the_page_of_experiments_knows_each_and_what_they_are_made_of() -> None:
    from perkie_cli.loadtest.chaos import actions, probes
    from perkie_cli.loadtest.chaos.document.shipped import shipped

    cells = set(re.findall(r"`([\w-]+)`", "\n".join(re.findall(r"(?m)^\| ([^|]*)\|", TEXTS["docs/chaos.md"]))))
    assert cells - {"load-test"} == {*shipped(), *actions.__all__, *probes.__all__}


@pytest.mark.parametrize(("name", "count"), [("perkie-gate.yml", 2), ("perkie-ship.yml", 3)])
def test_the_workflows_for_ci_type_commands_that_exist(name: str, count: int) -> None:
    text = (ROOT / "examples" / "github-actions" / name).read_text("utf-8")
    lines = re.findall(r"(?m)run: perkie (.*)$", text)
    assert len(lines) == count
    for line in lines:
        words = shlex.split(line)
        command = load_command(words[0]).commands[words[1]]
        assert {word for word in words if word.startswith("--")} <= flags_of(command)
        assert words[2] in text
