"""Prepares the standard streams for any file name, locale and reader."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def prepare() -> None:
    """Opens closed streams to the null device, and makes every file name printable.

    A name that is not valid UTF-8 is written to stdout as its bytes; a character that the locale lacks is escaped.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: ``perkie … >&-``
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        unicode = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        sys.stdout.reconfigure(errors="surrogateescape" if unicode else "backslashreplace")


def mute(stream: TextIO) -> None:
    """Discards all further output, including the flush at exit: the reader is gone or the disk is full."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def printable(text: str) -> str:
    """``text`` in one line without control characters: a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
