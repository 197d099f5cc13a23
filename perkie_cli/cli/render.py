"""The only module that prints: results as lines, tables or one JSON envelope; errors; questions; progress."""

from __future__ import annotations

import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, field, is_dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING, TextIO

import typer

from perkie_cli.cli import streams
from perkie_cli.cli.bars import Bar, RichBar, RichTransfer, Transfer
from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.table import Table, drawn
from perkie_cli.domain.errors import DiskFull, PerkieError, UnwritableFile, UsageError, out_of_memory, unwritable
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from rich.console import Console

SCHEMA = "perkie/1"
UNFOLDED = 10_000  # width in columns of a table that a program reads
REPORT_BUG = "This is a bug in perkie: please report it with what you typed and the traceback that -v shows."


@frozen
class Report:
    """The result of a command: ``results`` and ``summary`` for the envelope, ``text`` for people (stdout)."""

    results: Sequence[object] = ()  # rows of ``cli.rows``
    summary: Mapping[str, object] = field(default_factory=dict)
    text: Sequence[str | Table] = ()
    error: PerkieError | None = None
    exit_code: int = 0


class Renderer:
    """Prints for one run of ``perkie``. stdout carries data only, stderr everything else."""

    def __init__(self, flags: GlobalFlags) -> None:
        self.flags = flags
        self.command = "perkie"
        self.words: Sequence[str] = ()  # the arguments as typed
        self.warnings: list[str] = []
        self.ended: int | None = None  # the exit code, set when the envelope is written
        self.events = False  # whether stderr carries one JSON event a line, and nothing else

    # ---------------------------------------------------------------- data

    def line(self, text: str) -> None:
        """Prints one line of data and flushes: a reader at the other end of a pipe may be waiting.

        Raises: BrokenPipeError when the reader has closed the pipe, UnwritableFile or DiskFull when stdout cannot
        be written.
        """
        try:
            sys.stdout.write(text.rstrip("\n") + "\n")
            sys.stdout.flush()
        except OSError as error:
            streams.mute(sys.stdout)
            self.flags = replace(self.flags, json=False)  # from now on report on stderr
            if isinstance(error, BrokenPipeError):
                raise
            raise unwritable("stdout", error) from error

    def check_takes_pictures(self) -> None:
        """Checks that stdout can take a picture, before anybody pays for it.

        Raises: UsageError on a terminal or with --json.
        """
        if self.flags.json:
            raise UsageError("stdout cannot take a picture and the JSON envelope", hint="Name a file with -o.")
        if sys.stdout.isatty():
            raise UsageError(
                "a picture cannot be printed to a terminal", hint="Name a file with -o, or pipe stdout on."
            )

    def picture(self, data: bytes) -> None:
        """Writes a picture to stdout, instead of its path.

        Raises: BrokenPipeError, UnwritableFile, DiskFull.
        """
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.flush()
        except OSError as error:
            streams.mute(sys.stdout)
            if isinstance(error, BrokenPipeError):
                raise
            raise unwritable("stdout", error) from error

    def result(self, data: str, remark: str) -> None:
        """Prints one finished item: the remark on stderr, the data on stdout; only one of them on a terminal."""
        self.say(remark)
        if not self.flags.json and (self.flags.quiet or not sys.stdout.isatty()):
            with suppress(BrokenPipeError):  # the reader closed the pipe; the files are still needed
                self.line(data)

    def finish(self, report: Report) -> int:
        """Prints the report; returns the exit code."""
        exit_code = report.exit_code or (report.error.exit_code if report.error is not None else 0)
        if self.flags.json:
            envelope = self._envelope(report)
            self.ended = exit_code
            self.line(envelope)
        else:
            for part in report.text:
                self._table(part) if isinstance(part, Table) else self.line(part)
            if report.error is not None:
                self._print_error(report.error)
        return exit_code

    def _envelope(self, report: Report) -> str:
        from perkie_cli.cli.row_parts import ErrorRow, as_fields

        error = report.error
        body = {
            "schema": SCHEMA,
            "command": self.command,
            "ok": error is None and report.exit_code == 0,
            "results": [as_fields(each) for each in report.results],
            "summary": report.summary,
            "warnings": self.warnings,
            "error": error and ErrorRow.of(error),
        }
        return json.dumps(body, default=plain)

    def _table(self, table: Table) -> None:
        out = io.StringIO()
        console = self._console(out, like=sys.stdout)
        console.width = max(console.width, table.least_width)
        console.print(drawn(table, console.width))
        self.line("\n".join(row.rstrip() for row in out.getvalue().splitlines()))

    # ---------------------------------------------------------------- messages

    def say(self, text: str) -> None:
        """Prints a remark on stderr."""
        if not self.flags.quiet and not self.flags.json and not self.events:
            self._stderr(text)

    def warn(self, text: str) -> None:
        """Prints a warning, once; the envelope lists it under ``warnings``."""
        if text in self.warnings:
            return
        self.warnings.append(text)
        if self.events:
            self.event("warning", message=text)
        elif not self.flags.json:
            self._stderr(f"warning: {text}", "yellow")

    def complain(self, error: PerkieError, about: str = "") -> None:
        """Prints one failure among several; the run continues. ``about`` is added if the error does not name it."""
        if not self.flags.json and not self.events:  # the event of the item tells it
            self._print_error(error, f"{about}: " if about and about not in error.message else "")

    def event(self, kind: str, **fields: object) -> None:
        """Prints one event for machines: a line of JSON on stderr."""
        self._write_stderr(json.dumps({"event": kind, **fields}, default=plain) + "\n")

    def fail(self, error: PerkieError) -> int:
        """Ends the run with an error; returns the exit code. If stdout cannot be written, reports on stderr."""
        try:
            return self.finish(Report(error=error))
        except (BrokenPipeError, UnwritableFile, DiskFull):
            return self.finish(Report(error=error))

    def unexpected(self, error: Exception) -> PerkieError:
        """Turns an unforeseen exception into an error that can be reported."""
        if self.flags.verbose:
            self._write_stderr("".join(traceback.format_exception(error)))
        bug = PerkieError(f"unexpected {type(error).__name__}: {error}", hint=REPORT_BUG)
        return out_of_memory(error, "for this work") or bug

    def _print_error(self, error: PerkieError, about: str = "") -> None:
        if self.events:
            self.event("error", code=error.code, message=error.message, hint=error.hint, retryable=error.retryable)
            return
        self._stderr(f"error: {about}{error.message}", "red")
        if error.hint:
            self._stderr(f"  {error.hint}")

    # ---------------------------------------------------------------- questions and progress

    @property
    def interactive(self) -> bool:
        """Whether a person can answer questions and see progress."""
        return not self.flags.no_input and not self.flags.json and sys.stdin.isatty() and sys.stderr.isatty()

    @property
    def prints_for_a_person(self) -> bool:
        """Whether stdout is a terminal and gets text."""
        return not self.flags.json and sys.stdout.isatty()

    def confirm(self, question: str, *, yes: bool, typed: str | None = None) -> None:
        """Asks before a change of something shared. ``typed``: a word that must be typed instead of y.

        Raises: UsageError when the answer is no, or when nobody can be asked and ``yes`` was not given.
        """
        if yes:
            return
        if not self.interactive:
            raise UsageError(
                f"{question} This needs a confirmation, and nobody can be asked.",
                hint="Give --yes to go ahead, --dry-run to look first.",
            )
        sys.stderr.write(f"{question} [{typed or 'y/N'}] ")
        sys.stderr.flush()
        accepted = (typed.lower(),) if typed else ("y", "yes")
        if sys.stdin.readline().strip().lower() not in accepted:
            raise UsageError("not confirmed; nothing was changed")

    @contextmanager
    def progress(self, total: int, item: str) -> Iterator[Bar]:
        """A bar for many items or a live line for one, with the last ``item``'s name. Silent without a terminal."""
        if self.flags.quiet or not sys.stderr.isatty():
            yield Bar()
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = [SpinnerColumn(), TextColumn("{task.description}", markup=False)]  # a file may be named [/b].png
        if total > 1:
            columns += [BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}", markup=False)]
        with Progress(*columns, TimeElapsedColumn(), console=self._console(sys.stderr), transient=True) as bar:
            yield RichBar(bar, bar.add_task(streams.printable(item), total=total, note=""))

    @contextmanager
    def transfer(self, name: str) -> Iterator[Transfer]:
        """A bar of bytes for one large file. Silent without a terminal."""
        if self.flags.quiet or self.flags.json or not sys.stderr.isatty():
            yield Transfer()
            return
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )

        columns = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
        with Progress(*columns, TimeRemainingColumn(), console=self._console(sys.stderr), transient=True) as bar:
            yield RichTransfer(bar, bar.add_task(name, total=None))

    @contextmanager
    def live(self) -> Iterator[Callable[[Sequence[str | Table]], None]]:
        """A part of the screen that is drawn again with each call. Silent without a terminal."""
        if self.flags.quiet or self.flags.json or not sys.stderr.isatty():
            yield lambda _: None
            return
        from rich.console import Group
        from rich.live import Live

        with Live(console=self._console(sys.stderr), transient=True, auto_refresh=False) as screen:
            yield lambda parts: screen.update(
                Group(*(drawn(part, screen.console.width) for part in parts)), refresh=True
            )

    # ---------------------------------------------------------------- internals

    def _stderr(self, text: str, colour: str | None = None) -> None:
        """Prints one line. A separate console would write into the line of a progress bar."""
        text = streams.printable(text)
        if colour and sys.stderr.isatty() and self._colour:
            text = typer.style(text, fg=colour)
        self._write_stderr(text + "\n")

    def _write_stderr(self, text: str) -> None:
        """Ignores errors: a full log disk or a closed pager must not cost a picture."""
        try:
            sys.stderr.write(text)
        except OSError:
            streams.mute(sys.stderr)

    @property
    def _colour(self) -> bool:
        return not self.flags.no_color and not os.environ.get("NO_COLOR")

    def _console(self, stream: TextIO, like: TextIO | None = None) -> Console:
        """A console on ``stream``, formatted for ``like``: folded to the width of a terminal, otherwise not folded."""
        from rich.console import Console

        person = (like or stream).isatty()
        width = None if person or "COLUMNS" in os.environ else UNFOLDED
        return Console(file=stream, force_terminal=person, width=width, no_color=not self._colour, highlight=False)


def plain(value: object) -> object:
    """Converts types that JSON lacks: dataclasses, enums, decimals, times, paths, sets.

    Raises: TypeError.
    """
    match value:
        case Enum():
            return value.value
        case Decimal():
            return float(value)
        case date():  # includes datetime
            return value.isoformat().replace("+00:00", "Z")
        case timedelta():
            return value.total_seconds()
        case PurePath():
            return str(value)
        case set() | frozenset():
            return sorted(value, key=str)
        case Mapping():
            return dict(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} cannot be converted to JSON")
