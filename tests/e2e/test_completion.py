"""What the shell offers at TAB: commands, options and the values of every option that has a choice."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from perkie_cli.cli.app import COMMANDS, load_command
from tests.conftest import ROOT, Perkie


def complete(shell: str, typed: str, env: dict[str, str] | None = None) -> list[str]:
    """What the shell's completion function is told for the last word of ``typed``."""
    asked = {
        "_PERKIE_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - (not typed.endswith(" "))),
    }
    done = subprocess.run(
        [sys.executable, "-m", "perkie_cli"],
        cwd=ROOT,
        env={**os.environ, **asked, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_files_have_not_drifted(perkie: Perkie, shell: str) -> None:
    made = perkie(env={"_PERKIE_COMPLETE": f"source_{shell}"}).stdout.lstrip()  # zsh looks for #compdef in line 1 only
    kept = (ROOT / "completions" / f"perkie.{shell}").read_text()
    assert kept == made, (
        f"make it again: _PERKIE_COMPLETE=source_{shell} perkie | sed '/./,$!d' > completions/perkie.{shell}"
    )


def test_completion_of_commands_and_styles() -> None:
    assert "stylize" in complete("bash", "perkie sty")
    assert complete("bash", "perkie stylize --style modern,van") == [
        "modern,van_gogh_post_impressionism",
        "modern,van_gogh",
    ]
    assert "all" in complete("bash", "perkie stylize --style a")
    assert complete("bash", "perkie cache stats --style a") == [], "it takes one"
    assert "--out-dir" in complete("bash", "perkie stylize --o")


def test_completion_keeps_quiet_about_what_is_wrong_or_not_there(home: Path, tmp_path: Path) -> None:
    assert complete("bash", "perkie cache inspect --hash 5") == []
    assert not (home / "cache").exists()
    (tmp_path / "own.toml").write_text("id = 3")
    assert complete("bash", "perkie stylize --style m", {"PERKIE_GENERAL_STYLES_DIR": str(tmp_path)}) == ["modern"]
    (tmp_path / "own.toml").write_text('id = "mine"\ntitle = "Mine"\nprompt = "p"')
    assert complete("bash", "perkie stylize --style mi", {"PERKIE_GENERAL_STYLES_DIR": str(tmp_path)}) == ["mine"]


def commands() -> Iterator[tuple[str, Any]]:
    for name in COMMANDS:
        command = load_command(name)
        yield from ((f"{name} {inner}", each) for inner, each in getattr(command, "commands", {name: command}).items())


def words_of(metavar: str) -> set[str]:
    """The words among which an option's metavar lets the user choose: ``auto|cpu|cuda[:N]|mps``."""
    parts = [part for part in re.split(r"[|,]", metavar) if part] if "|" in metavar else []
    return {word for part in parts if (word := re.sub(r"\[.*?\]|…|\]", "", part)) and not word.isupper()}


def test_every_option_with_a_choice_completes_each_of_its_values() -> None:
    with_choice = 0
    for name, command in commands():
        context = typer.Context(command)
        for param in command.params:
            words = words_of(param.metavar or "")
            offered = {each.value for each in param.shell_complete(context, "")} if words else set()
            assert words <= offered, f"{name} {param.opts}: {words - offered} not offered"
            with_choice += bool(words)
    assert with_choice > 15


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("perkie serve --role ", {"all", "artistic", "matting"}),
        ("perkie serve --auth api-key,", {f"api-key,{mode}" for mode in ("none", "api-key", "jwt", "shopify-proxy")}),
        ("perkie stylize --fallback cache,", {"cache,cache", "cache,local"}),
        ("perkie stylize --model gemini-3-", {"gemini-3-pro-image"}),
        ("perkie stylize --size ", {"1K", "2K", "4K"}),
        ("perkie config show cache.temp", {"cache.temp_lifetime"}),
        ("perkie cache purge --prefix shared", {"shared/"}),
        ("perkie cache purge --i-know-this-is-protected perkieprints-c", {"perkieprints-customer-images"}),
        ("perkie models evaluate --engine in", {"inspyrenet"}),
        ("perkie quota show --js", {"--json"}),
        ("perkie cache stats --pro", {"--profile"}),
        ("perkie stylize --no-i", {"--no-input"}),
        ("perkie --profile prod", {"production"}),
        ("perkie quota show --profile prod", {"production"}),
    ],
)
def test_values_and_global_options(typed: str, offered: set[str], tmp_path: Path, home: Path) -> None:
    (home / "config" / "perkie").mkdir(parents=True)
    (home / "config" / "perkie" / "config.toml").write_text("[profile.production.style]\nsize = 300\n")
    assert set(complete("bash", typed)) == offered


@pytest.fixture
def on_path(tmp_path: Path) -> dict[str, str]:
    """An environment where shells find ``perkie``."""
    script = tmp_path / "perkie"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m perkie_cli "$@"\n')
    script.chmod(0o755)
    return {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}


TYPED = {
    "perkie sty": {"stylize", "styles"},
    "perkie cache insp": {"inspect"},
    "perkie remove-bg --engine in": {"inspyrenet"},
    "perkie quota show --js": {"--json"},
    "perkie stylize --style modern,van": {"modern,van_gogh", "modern,van_gogh_post_impressionism"},
}


@pytest.mark.parametrize("typed", TYPED)
def test_the_bash_file_works_in_bash(on_path: dict[str, str], typed: str) -> None:
    line = f"""
    source completions/perkie.bash
    COMP_WORDS=({typed}) COMP_CWORD={len(typed.split()) - 1}
    _perkie_completion perkie {typed.split()[-1]} perkie
    echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", line], cwd=ROOT, env=on_path, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) == TYPED[typed]


@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
@pytest.mark.parametrize("typed", TYPED)
def test_the_fish_file_works_in_fish(on_path: dict[str, str], typed: str) -> None:
    line = f"source completions/perkie.fish; complete -C '{typed}'"
    done = subprocess.run(["fish", "-c", line], cwd=ROOT, env=on_path, capture_output=True, text=True, check=True)
    assert {row.split("\t")[0] for row in done.stdout.splitlines() if row} == TYPED[typed]


@pytest.mark.skipif(shutil.which("zsh") is None, reason="no zsh here")
@pytest.mark.parametrize("typed", TYPED)
def test_the_zsh_file_works_in_zsh(on_path: dict[str, str], typed: str) -> None:
    line = f"""
    compdef() {{ }}
    _describe() {{ print -l -- ${{(P)2%%:*}} }}
    _arguments() {{ print -r -- "$@" | grep -o '"[^":]*' | tr -d '"' }}
    source completions/perkie.zsh
    words=({typed}) CURRENT=${{#words}}
    _perkie_completion
    """
    done = subprocess.run(["zsh", "-f", "-c", line], cwd=ROOT, env=on_path, capture_output=True, text=True, check=True)
    assert TYPED[typed] <= set(re.split(r"[\s()\\]+", done.stdout.replace('"', " "))), done.stdout
