"""The global flags, accepted before or after the command."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perkie_cli.domain.frozen import frozen

SWITCHES = {
    "--json": "json",
    "-q": "quiet",
    "--quiet": "quiet",
    "-v": "verbose",
    "--verbose": "verbose",
    "--no-color": "no_color",
    "--no-input": "no_input",
    "-V": "version",
    "--version": "version",
}
VALUES = {"--config": "config", "--profile": "profile"}


@frozen
class GlobalFlags:
    """The flags of every command."""

    json: bool = False
    quiet: bool = False
    verbose: bool = False
    no_color: bool = False
    no_input: bool = False
    version: bool = False
    config: Path | None = None
    profile: str | None = None

    @classmethod
    def peek(cls, hoisted: Sequence[str]) -> GlobalFlags:
        """Reads the switches at the front of hoisted arguments, so that usage errors also respect them."""
        found: dict[str, bool] = {}
        words = iter(hoisted)
        for word in words:
            if word in VALUES:
                next(words, None)
            elif word.partition("=")[0] not in VALUES and not _switches(word):
                break
            found |= dict.fromkeys(_switches(word), True)
        return cls(**found)  # type: ignore[arg-type]  # switches are the boolean fields


def _switches(word: str) -> list[str]:
    """The switches that a word turns on: ``--json`` one, ``-qv`` two."""
    words = [word] if word.startswith("--") else [f"-{letter}" for letter in word[1:] if word[0] == "-"]
    return [SWITCHES[each] for each in words] if words and set(words) <= SWITCHES.keys() else []


def hoist(args: Sequence[str]) -> list[str]:
    """Moves global flags to the front, where the root command reads them; words after ``--`` stay.

    >>> hoist(["stylize", "pet.jpg", "--json"])
    ['--json', 'stylize', 'pet.jpg']
    """
    front: list[str] = []
    rest: list[str] = []
    words = iter(_spelled_out(args))
    for word in words:
        if word == "--":
            rest += [word, *words]
        elif _switches(word) or word.partition("=")[0] in VALUES:
            front.append(word)
            if word in VALUES:
                front += [value for value in [next(words, None)] if value is not None]
        else:
            rest.append(word)
    return front + rest


def _spelled_out(args: Sequence[str]) -> Sequence[str]:
    """``perkie help COMMAND`` and ``perkie version``, which people type, as options."""
    if args[:1] == ["help"]:
        return [*args[1:], "--help"]
    return ["--version"] if list(args) == ["version"] else args
