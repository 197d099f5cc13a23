"""The console script. It imports the command line late: an interrupt during the imports must end quietly too."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from perkie_cli.cli import streams
from perkie_cli.cli.flags import hoist
from perkie_cli.system.imports import uncollected


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs ``perkie`` and exits with a code of the contract."""
    streams.prepare()
    try:
        _stop_on_sigterm()
        with uncollected():
            from perkie_cli.cli.boundary import run

        sys.exit(run(hoist(sys.argv[1:] if argv is None else argv)))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for late in (signal.SIGINT, signal.SIGTERM):  # what is left is Python's own end: it would tell of an interrupt
            signal.signal(late, signal.SIG_DFL)
        gc.freeze()  # the process ends: looking through all it holds for garbage would take as long as `quota show`


def _stop_on_sigterm() -> None:
    """A SIGTERM stops as tidily as Ctrl-C, also in the background of a script, where a shell lets SIGINT be ignored.

    There SIGINT is held back instead, until a SIGTERM lets it through: asyncio heeds it only if Python handles it.
    """
    background = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if background:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def stop(*_: object) -> None:
        if background:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.raise_signal(signal.SIGINT)

    signal.signal(signal.SIGTERM, stop)
