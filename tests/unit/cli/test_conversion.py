"""Values that are spared Typer's conversion: they come out as it would make them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from perkie_cli.cli.app import COMMANDS, command_line, load_command

GIVEN: tuple[Any, ...] = (None, "", "x", "-", "8", "given", ".", ("a", "b"), (), ["a"], 1, 2.5, True)


def commands_of(command: Any) -> Iterator[Any]:
    yield command
    for inner in getattr(command, "commands", {}).values():
        yield from commands_of(inner)


def answer(convert: Any, context: Any, value: Any) -> Any:
    try:
        converted = convert(context, value)
    except Exception as error:  # what Typer says of a wrong value
        return type(error), str(error)
    return type(converted), converted


@pytest.mark.parametrize("name", ["perkie", *COMMANDS])
def test_every_option_gets_the_value_that_typer_would_give_it(name: str) -> None:
    tried = 0
    for command in [command_line()] if name == "perkie" else commands_of(load_command(name)):
        context = command.context_class(command, info_name=command.name)
        for param in command.params:
            if param.callback is not None:
                continue
            for value in (param.default, *GIVEN):
                process: Any = param.process_value
                expected, made = answer(process.args[1], context, value), answer(process, context, value)
                assert made == expected, (command.name, param.name, value)
                tried += 1
    assert tried
