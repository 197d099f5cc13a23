"""The console script. It imports the command line late, so that an interrupt during imports also ends quietly."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from perkie_cli.cli import streams
from perkie_cli.system.imports import uncollected, without_blas_threads


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs ``perkie`` and exits with a documented exit code."""
    streams.prepare()
    without_blas_threads()
    try:
        _stop_on_sigterm()
        with uncollected():
            from perkie_cli.cli.boundary import run
            from perkie_cli.cli.flags import hoist

        code = run(hoist(sys.argv[1:] if argv is None else argv))
        _leave_hanging_threads(code)
        sys.exit(code)
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        for late in (signal.SIGINT, signal.SIGTERM):  # Python's shutdown would print a KeyboardInterrupt
            if signal.getsignal(late) is not signal.SIG_IGN:  # what a command ignores to its end stays ignored
                signal.signal(late, signal.SIG_DFL)
        gc.freeze()  # skip the final garbage collection: it would take as long as `quota show` itself


def _leave_hanging_threads(code: int) -> None:
    """Ends the process if a worker thread hangs (a dead network disk): Python's own exit would wait for it for ever."""
    threads = sys.modules.get("perkie_cli.system.threads")  # otherwise there are no workers
    if threads is not None and threads.any_hanging():
        sys.stdout.flush()
        os._exit(code)


def _stop_on_sigterm() -> None:
    """Makes SIGTERM stop as cleanly as Ctrl-C, also in a script's background, where the shell ignores SIGINT.

    In that case SIGINT is blocked until a SIGTERM arrives: asyncio reacts to SIGINT only if Python handles it.
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
