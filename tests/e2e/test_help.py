"""The help of every command and group: one form, examples that can be copied and that the command accepts."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from perkie_cli.cli.app import COMMANDS, load_command
from perkie_cli.cli.help import GLOBAL_OPTIONS, examples_of
from tests.conftest import Perkie
from tests.unit.house.test_docs import flags_of, simple_commands


def paths() -> Iterator[tuple[str, ...]]:
    """Every group and command."""
    for name in COMMANDS:
        yield (name,)
        yield from ((name, inner) for inner in getattr(load_command(name), "commands", {}))


def command_at(path: tuple[str, ...]) -> Any:
    command = load_command(path[0])
    return command if len(path) == 1 else command.commands[path[1]]


@pytest.mark.parametrize("path", [*paths()], ids=" ".join)
def test_each_has_examples_that_stand_as_they_are_typed(
    perkie_here: Perkie, monkeypatch: pytest.MonkeyPatch, path: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = perkie_here(*path, "--help").stdout
    before, _, shown = text.partition("\n Examples:\n\n")
    assert shown, f"perkie {' '.join(path)} has no examples"
    assert "Example" not in before
    lines = [f"   {line}" for example in examples_of(command_at(path)) for line in example.splitlines()]
    assert shown == "\n".join([*lines, "", f" {GLOBAL_OPTIONS}"]) + "\n\n"
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("path", [*paths()], ids=" ".join)
def test_each_example_is_one_that_its_command_accepts(path: tuple[str, ...]) -> None:
    command = command_at(path)
    for example in examples_of(command):
        ours = [words for words in simple_commands(example.replace("\\\n", " ")) if words[:1] == ["perkie"]]
        for words in ours:
            name = next(word for word in words[1:] if word in COMMANDS)
            named = load_command(name)
            rest = words[words.index(name) + 1 :]
            if inner := getattr(named, "commands", {}):
                named = inner[next(word for word in rest if word in inner)]
            typed = {word.partition("=")[0] for word in rest if word.startswith("-") and word.strip("-")}
            typed -= {word for word in typed if word.removeprefix("-").isdigit()}
            assert typed <= flags_of(named), shlex.join(words)


def test_brackets_in_help_are_no_markup(perkie_here: Perkie) -> None:
    assert "perkie-cli[matting]" in perkie_here("remove-bg", "--help").stdout
    assert "cuda[:N]" in perkie_here("remove-bg", "--help").stdout


@pytest.mark.parametrize("typed", [("help", "quota", "grant"), ("quota", "grant", "-h")], ids=" ".join)
def test_help_can_be_asked_for_as_people_do(perkie_here: Perkie, typed: tuple[str, ...]) -> None:
    assert "Usage: perkie quota grant" in perkie_here(*typed).stdout


@pytest.mark.parametrize("typed", ["-V", "--version", "version"])
def test_so_can_the_version(perkie_here: Perkie, typed: str) -> None:
    assert perkie_here(typed).stdout.startswith("perkie ")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("stylize", "x.jpg", "-s", "all", "--jobs", "many"), "must be a whole number"),
        (("stylize", "x.jpg", "-s", "all", "--deadline", "soon"), "must be a number"),
        (("quota", "grant", "-5", "--customer", "42"), "perkie quota grant --customer 42 -- -5"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_usage_errors_are_in_plain_words(perkie_here: Perkie, typed: tuple[str, ...], said: str) -> None:
    done = perkie_here(*typed)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
