"""The console script: hoists global flags, runs the app, and is the one boundary where errors become exit codes."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer

from perkie_cli.cli.app import command_line
from perkie_cli.cli.flags import GlobalFlags, hoist
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import Interrupted, PerkieError, UsageError


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs ``perkie`` and exits with a code of the contract."""
    args = hoist(sys.argv[1:] if argv is None else argv)
    sys.exit(run(args))


def run(args: Sequence[str]) -> int:
    """Runs the hoisted arguments. Returns the exit code; never raises but for a bug in the boundary itself."""
    flags = GlobalFlags.peek(args)
    renderer = Renderer(flags)
    try:
        code = command_line().main(list(args), prog_name="perkie", standalone_mode=False, obj=renderer)
        sys.stdout.flush()
    except typer.TyperException as error:
        return renderer.fail(_usage_error(error))
    except (KeyboardInterrupt, typer.Abort):
        return renderer.fail(Interrupted("interrupted; finished work is kept"))
    except PerkieError as error:
        return renderer.fail(error)
    except BrokenPipeError:
        # The reader (head, less) has left: silence what the interpreter still flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001  # the last boundary: a bug must end as exit 1 with a way to report it
        return renderer.crash(error)
    return int(code or 0)


def _usage_error(error: typer.TyperException) -> UsageError:
    command = getattr(getattr(error, "ctx", None), "command_path", "perkie")
    message = error.format_message().rstrip(".")
    return UsageError(message[:1].lower() + message[1:], hint=f"`{command} --help` shows what it takes.")
