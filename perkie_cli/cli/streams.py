"""Prepares the standard streams for any file name, locale and reader."""

from __future__ import annotations

import codecs
import io
import os
import sys
from typing import TextIO

_BYTES_OR_ESCAPED = "perkie-bytes-or-escaped"


def prepare() -> None:
    """Opens closed streams to the null device, and makes every file name printable.

    A name that is not valid UTF-8 is written to stdout as its bytes; a character that the locale lacks, or that no
    UTF-8 can hold, is escaped.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:  # closed by the caller: ``perkie … >&-``
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123  # for as long as the process lives
    if isinstance(sys.stdout, io.TextIOWrapper):
        unicode = sys.stdout.encoding.lower().replace("-", "") == "utf8"
        codecs.register_error(_BYTES_OR_ESCAPED, _bytes_or_escaped)
        sys.stdout.reconfigure(errors=_BYTES_OR_ESCAPED if unicode else "backslashreplace")


def _bytes_or_escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Half a surrogate pair may be a byte of a file name, or stand in somebody's JSON."""
    try:
        return codecs.lookup_error("surrogateescape")(error)
    except UnicodeError:
        return codecs.lookup_error("backslashreplace")(error)


def mute(stream: TextIO) -> None:
    """Discards all further output, including the flush at exit: the reader is gone or the disk is full."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def printable(text: str) -> str:
    """``text`` in one line without control characters: a file name must not steer the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
