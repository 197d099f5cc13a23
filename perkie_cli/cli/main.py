"""The console script. It imports the command line late: an interrupt during the imports must end quietly too."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from perkie_cli.cli import streams
from perkie_cli.cli.flags import hoist


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Runs ``perkie`` and exits with a code of the contract."""
    streams.prepare()
    try:
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # both stop tidily
        from perkie_cli.cli.boundary import run

        sys.exit(run(hoist(sys.argv[1:] if argv is None else argv)))
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        gc.freeze()  # the process ends: looking through all it holds for garbage would take as long as `quota show`
