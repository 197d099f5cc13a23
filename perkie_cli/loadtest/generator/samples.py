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

    def __enter__(self) -> SampleFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, exchange: Exchange, verdict: Verdict, facts: Facts, begin: float) -> None:
        """Adds a row."""
        choice, scenario = exchange.choice, self._scenario
        times = [_after(at, begin) for at in (exchange.intended, exchange.sent, exchange.first, exchange.done)]
        latency = exchange.done - exchange.intended
        service = exchange.done - exchange.sent if exchange.sent else 0.0
        self._rows.writerow(
            [
                *(choice.number, scenario.phases[exchange.phase].name, scenario.calls[choice.call].name),
                *(choice.photo if choice.photo >= 0 else "", choice.owner, *times, f"{latency:.6f}", f"{service:.6f}"),
                *(exchange.status or "", verdict.outcome.value, verdict.reason, exchange.size, *map(int, facts[:3])),
                facts.usd,
                int(exchange.intended - begin < scenario.warm_up),
            ]
        )


def _after(at: float, begin: float) -> str:
    return f"{at - begin:.6f}" if at else ""


def join(parts: Sequence[Path], whole: Path) -> None:
    """One file of all processes' rows, in the order of sending; the parts are removed.

    Raises: OSError.
    """
    rows: list[list[str]] = []
    for part in parts:
        if part.exists():
            with part.open(newline="", encoding="utf-8") as file:
                rows += list(csv.reader(file))
            part.unlink()
    rows.sort(key=lambda row: float(row[5]))
    with whole.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
