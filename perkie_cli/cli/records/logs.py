"""The lines of log files that a command is given."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.units import why_unread


def lines_of(files: Sequence[Path]) -> Iterator[str]:
    """Every line of the files; ``-`` is stdin. Raises: UnreadableFile."""
    for path in files:
        with ExitStack() as stack:
            try:
                standard = str(path) == "-"
                file = (
                    sys.stdin if standard else stack.enter_context(path.open("r", encoding="utf-8", errors="replace"))
                )
                yield from file
            except OSError as error:
                raise UnreadableFile(f"{path} cannot be read: {why_unread(error)}") from error
