"""The progress of a run: a bar on a terminal, a line every minute in a log, or one JSON event a line for machines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from perkie_cli.batch.jobs import JobResult
from perkie_cli.batch.tally import Tally
from perkie_cli.cli.bars import Bar
from perkie_cli.cli.batch.options import ProgressKind
from perkie_cli.cli.render import Renderer
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.money.spend import dollars
from perkie_cli.domain.runs import Status
from perkie_cli.domain.units import format_duration

LOG_EVERY = 60.0  # seconds between two lines in a log
EVENT_EVERY = 1.0  # seconds between two progress events


class BatchProgress:
    """Shows one run's progress."""

    def __init__(self, renderer: Renderer, kind: ProgressKind) -> None:
        self._renderer = renderer
        self._kind = kind
        self._tally = Tally(0)
        self._bar: Bar | None = None

    @contextmanager
    def shown(self, tally: Tally, first: str) -> Iterator[None]:
        """Shows the progress during the block, with the name of the ``first`` item."""
        self._tally = tally
        renderer = self._renderer
        if self._kind is ProgressKind.JSONL:
            renderer.event("begin", total=tally.total)
            with _every(EVENT_EVERY, self._event):
                yield
            renderer.event("end", **_numbers(tally))
        elif self._kind is ProgressKind.NONE or renderer.flags.quiet:
            yield
        elif sys.stderr.isatty():
            with renderer.progress(tally.total, first) as self._bar:
                yield
        elif renderer.flags.json:
            yield
        else:
            with _every(LOG_EVERY, lambda: renderer.say(told(tally))):
                yield

    def ended(self, result: JobResult) -> None:
        """Shows one finished item."""
        if self._kind is ProgressKind.JSONL:
            self._renderer.event("item", **_item(result))
        if self._bar is not None:
            self._bar.advance(result.job.source.path.name, _short(self._tally))

    def _event(self) -> None:
        self._renderer.event("progress", **_numbers(self._tally))


def told(tally: Tally) -> str:
    """The progress in words: ``120 of 500, 3 from the cache, 1 failed, $0.42, 0.5/s, 12 min left``."""
    return ", ".join([f"{tally.ended} of {tally.total}", *_parts(tally)])


def _short(tally: Tally) -> str:
    return ", ".join(_parts(tally))


def _parts(tally: Tally) -> Iterator[str]:
    if hits := tally.counts[Status.CACHED]:
        yield f"{hits} from the cache"
    if failed := tally.counts[Status.FAILED]:
        yield f"{failed} failed"
    if tally.usd:
        yield dollars(tally.usd)
    if tally.rate:
        yield f"{tally.rate:.2g}/s"
    if tally.eta:
        yield f"{format_duration(tally.eta)} left"


def _numbers(tally: Tally) -> dict[str, object]:
    return {
        "total": tally.total,
        "ended": tally.ended,
        **tally.counted(),
        "cost_usd": tally.usd,
        "seconds": round(tally.seconds, 3),
        "rate": round(tally.rate, 4),
        "eta": None if tally.eta is None else round(tally.eta, 1),
    }


def _item(result: JobResult) -> dict[str, object]:
    job, error = result.job, result.error
    fields: dict[str, object] = {
        "input": job.source.name,
        "output": None if error else str(job.target),
        "style": job.style or None,
        "status": result.status,
        "seconds": round(result.seconds, 4),
        "cost_usd": result.usd,
    }
    return fields if error is None else {**fields, "error": as_event(error)}


def as_event(error: PerkieError) -> dict[str, object]:
    """An error for machines."""
    return {"code": error.code, "message": error.message, "hint": error.hint, "retryable": error.retryable}


@contextmanager
def _every(seconds: float, tell: Callable[[], None]) -> Iterator[None]:
    """Calls ``tell`` at that interval during the block, in a thread: also while the event loop is busy."""
    over = threading.Event()

    def ticking() -> None:
        while not over.wait(seconds):
            tell()

    thread = threading.Thread(target=ticking, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
