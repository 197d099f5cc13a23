"""``--samples``: a row for each request, in CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from perkie_cli.loadtest.generator.answers import Facts, Verdict
from perkie_cli.loadtest.generator.connection import Exchange
from perkie_cli.loadtest.scenario import Scenario

COLUMNS = (
    *("number", "phase", "request", "photo", "owner", "intended", "sent", "first_byte", "ended"),
    *("latency", "service", "status", "outcome", "reason", "bytes", "hits", "misses", "degraded", "usd", "warm_up"),
)


class SampleFile:
    """The rows of one process, as they end; ``join`` sorts them. Times are in seconds after the start."""

    def __init__(self, path: Path, scenario: Scenario) -> None:
        self._file = path.open("w", newline="", encoding="utf-8")
        self._rows = csv.writer(self._file)
        self._scenario = scenario
        self.failure = ""  # why rows are missing

    def __enter__(self) -> SampleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._file.close()
        except OSError as error_:
            self.failure = error_.strerror or str(error_)

    def write(self, exchange: Exchange, verdict: Verdict, facts: Facts, begin: float) -> None:
        """Adds a row. A full disk costs the other rows, not the run."""
        if self.failure:
            return
        try:
            self._rows.writerow(self._row(exchange, verdict, facts, begin))
        except OSError as error:
            self.failure = error.strerror or str(error)

    def _row(self, exchange: Exchange, verdict: Verdict, facts: Facts, begin: float) -> list[object]:
        choice, scenario = exchange.choice, self._scenario
        times = [_after(at, begin) for at in (exchange.intended, exchange.sent, exchange.first, exchange.done)]
        latency = exchange.done - exchange.intended
        service = exchange.done - exchange.sent if exchange.sent else 0.0
        return [
            *(choice.number, scenario.phases[exchange.phase].name, scenario.calls[choice.call].name),
            *(choice.photo if choice.photo >= 0 else "", choice.owner, *times, f"{latency:.6f}", f"{service:.6f}"),
            *(exchange.status or "", verdict.outcome.value, verdict.reason, exchange.size, *map(int, facts[:3])),
            facts.usd,
            int(exchange.intended - begin < scenario.warm_up),
        ]


def _after(at: float, begin: float) -> str:
    return f"{at - begin:.6f}" if at else ""


def join(parts: Sequence[Path], whole: Path) -> None:
    """One file of all processes' rows, in the order of sending; the parts are removed.

    Raises: OSError; the parts are kept.
    """
    rows: list[list[str]] = []
    for part in parts:
        if part.exists():
            with part.open(newline="", encoding="utf-8") as file:
                rows += list(csv.reader(file))
    rows.sort(key=lambda row: float(row[5]))
    with whole.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    for part in parts:
        part.unlink(missing_ok=True)
