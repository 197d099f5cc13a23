"""What a revision answered, by the metrics at its own address.

One read meets one of the revision's instances. Each tells when it started, so that the counters of several are kept
apart; those that are never met are not counted. Shares stay true as long as instances are alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from perkie_cli.domain.deploy.gate import NOT_CUSTOMERS, Counts, Rule, Sample
from perkie_cli.ports import Clock

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 10.0  # seconds
_LINE = re.compile(
    r"^(perkie_requests_total|perkie_request_seconds_bucket|process_start_time_seconds)(\{.*\})? (\S+)", re.M
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Row = tuple[str, Mapping[str, str], float]


@dataclass(slots=True)
class _Watched:
    """Counts by rule of each instance, when it was met first and last. ``read``: when one was met at all."""

    first: dict[float, Mapping[str, Counts]] = field(default_factory=dict)
    last: dict[float, Mapping[str, Counts]] = field(default_factory=dict)
    read: float | None = None


class PrometheusSamples:
    """See ``ports.RevisionSamples``. ``headers`` go with each read, such as a key with the scope ``metrics``.

    Each read has a connection of its own, so that it may meet another instance.
    """

    lateness = 0.0

    def __init__(self, clock: Clock, headers: Mapping[str, str] | None = None) -> None:
        self._clock = clock
        self._headers = headers or {}
        self._made: httpx2.AsyncClient | None = None
        self._watched: dict[tuple[str, datetime], _Watched] = {}
        self.trouble: dict[str, str] = {}  # why the metrics of a revision cannot be read

    async def since(self, revision: str, address: str, began: datetime, rules: Sequence[Rule]) -> Sample:
        """See the port."""
        watched = self._watched.setdefault((revision, began), _Watched())
        rows = await self._read(revision, address)
        if rows is not None:
            started = next((value for name, _, value in rows if name == "process_start_time_seconds"), 0.0)
            now = {rule.name: _count(rule, rows) for rule in rules}
            nothing = {rule.name: Counts() for rule in rules}
            watched.first.setdefault(started, nothing if started >= began.timestamp() else now)
            watched.last[started] = now
            watched.read = self._clock.monotonic()
        counts = {rule.name: _grown(rule.name, watched) for rule in rules}
        return Sample(counts, None if watched.read is None else self._clock.monotonic() - watched.read)

    async def _read(self, revision: str, address: str) -> Sequence[Row] | None:
        import httpx2

        if not address:
            self.trouble[revision] = f"{revision} has no address of its own"
            return None
        try:
            answer = await self._client.get(f"{address}/metrics")
        except httpx2.HTTPError as error:
            self.trouble[revision] = f"{address}/metrics: {type(error).__name__}"
            return None
        if answer.status_code != 200:
            self.trouble[revision] = self._refused(address, answer)
            return None
        self.trouble.pop(revision, None)
        return [*_rows(answer.text)]

    @property
    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        if self._made is None:
            headers = {"Connection": "close", **self._headers}
            self._made = httpx2.AsyncClient(timeout=TIMEOUT, headers=headers)
        return self._made

    async def aclose(self) -> None:
        """Closes the client."""
        if self._made is not None:
            await self._made.aclose()

    @staticmethod
    def _refused(address: str, answer: httpx2.Response) -> str:
        hint = "; give a key with the scope metrics by -H" if answer.status_code in (401, 403) else ""
        return f"{address}/metrics answers {answer.status_code}{hint}"


def _rows(text: str) -> Iterator[Row]:
    for name, labels, value in _LINE.findall(text):
        yield name, dict(_LABEL.findall(labels)), float(value)


def _count(rule: Rule, rows: Sequence[Row]) -> Counts:
    """``bad`` and ``total`` of a process since it started."""
    mine = [(name, labels, value) for name, labels, value in rows if _is_about(rule, labels.get("route", ""))]
    if rule.seconds is None:
        requests = [(labels["status"], value) for name, labels, value in mine if name == "perkie_requests_total"]
        return Counts(
            sum(value for status, value in requests if status.startswith("5")), sum(value for _, value in requests)
        )
    return sum(
        (_slow(rule.seconds, mine, route) for route in {labels.get("route", "") for _, labels, _ in mine}), Counts()
    )


def _slow(seconds: float, rows: Sequence[Row], route: str) -> Counts:
    """Answers that took longer. Between two bounds of buckets the lower one counts: rather too many than too few."""
    buckets = {
        float(labels["le"]): value
        for name, labels, value in rows
        if name == "perkie_request_seconds_bucket" and labels.get("route") == route
    }
    total = buckets.get(float("inf"), 0.0)
    within = max((bound for bound in buckets if bound <= seconds), default=None)
    return Counts(total - (buckets[within] if within is not None else 0.0), total)


def _is_about(rule: Rule, route: str) -> bool:
    """A route may have the prefix of the shop's proxy."""
    if not route:
        return False
    return route.endswith(rule.route) if rule.route else route not in NOT_CUSTOMERS


def _grown(rule: str, watched: _Watched) -> Counts:
    pairs = [(watched.first[each][rule], watched.last[each][rule]) for each in watched.last]
    return Counts(
        sum(last.bad - first.bad for first, last in pairs), sum(last.total - first.total for first, last in pairs)
    )
