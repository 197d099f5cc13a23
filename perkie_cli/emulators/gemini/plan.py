"""The faults of this emulator: their effects and the calls they apply to; and the latency of drawing."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.fault_plan import PlannedFault, parse_faults, parse_record


class GeminiFaultKind(StrEnum):
    """The effects of faults."""

    OUTAGE = "outage"  # 503 at once
    ERROR = "error"  # any ``status`` with its error body
    OVERLOADED = "overloaded"  # 429, with RetryInfo where ``retry_after`` is set
    SLOW = "slow"  # ``seconds`` later than usual, then a good answer
    HANG = "hang"  # never an answer
    DRIP = "drip"  # a good answer, spread over ``seconds``
    RESET = "reset"  # the connection is reset before the answer
    TRUNCATED = "truncated"  # the connection ends in the middle of the answer
    CORRUPT = "corrupt"  # an invalid picture; ``how``: cut, noise, small
    EMPTY = "empty"  # no picture; ``how``: object, content, text, zero
    BLOCKED = "blocked"  # ``reason``; ``how``: answer, prompt
    WRONG_JSON = "wrong_json"  # ``how``: html, shape, half
    DRAFTS = "drafts"  # other pictures before the final one, as newer models send; ``how``: thought, plain, all_thought
    # Of jobs of the Batch API; those marked * last as long as the fault does.
    BATCH_REFUSED = "batch_refused"  # create is refused with ``status``
    BATCH_LOST = "batch_lost"  # the job is made, but the connection is reset before the answer
    BATCH_STUCK = "batch_stuck"  # * stays pending; ``how``: what is done when it is cancelled: nothing, half
    BATCH_UNKNOWN = "batch_unknown"  # * reports a state that no client knows
    BATCH_UNFETCHED = "batch_unfetched"  # * has ended, but its answers are a 503; ``how``: get, download
    BATCH_PARTIAL = "batch_partial"  # half of the requests get no answer; ``how``: succeeded, state (it says so)
    BATCH_EXPIRED = "batch_expired"  # ends without an answer
    BATCH_FAILED = "batch_failed"  # ends with an error


HOWS: Mapping[GeminiFaultKind, tuple[str, ...]] = {
    GeminiFaultKind.CORRUPT: ("cut", "noise", "small"),
    GeminiFaultKind.EMPTY: ("object", "content", "text", "zero"),
    GeminiFaultKind.BLOCKED: ("answer", "prompt"),
    GeminiFaultKind.WRONG_JSON: ("html", "shape", "half"),
    GeminiFaultKind.DRAFTS: ("thought", "plain", "all_thought"),
    GeminiFaultKind.BATCH_STUCK: ("nothing", "half"),
    GeminiFaultKind.BATCH_UNFETCHED: ("get", "download"),
    GeminiFaultKind.BATCH_PARTIAL: ("succeeded", "state"),
}
OF_JOBS = frozenset(kind for kind in GeminiFaultKind if kind.startswith("batch_"))
# What can befall one request inside a job: there is no connection of its own.
INSIDE = frozenset(
    {
        *(GeminiFaultKind.OUTAGE, GeminiFaultKind.ERROR, GeminiFaultKind.OVERLOADED, GeminiFaultKind.CORRUPT),
        *(GeminiFaultKind.EMPTY, GeminiFaultKind.BLOCKED, GeminiFaultKind.WRONG_JSON, GeminiFaultKind.DRAFTS),
    }
)


@frozen
class Latency:
    """The duration of a call: log-normal with this median and 95th percentile in seconds; 0 answers at once."""

    median: float = 0.0
    p95: float = 0.0

    def draw(self, rng: random.Random) -> float:
        """A random duration in seconds."""
        if self.median <= 0:
            return 0.0
        from math import exp, log

        sigma = max(0.0, log(max(self.p95, self.median) / self.median)) / 1.645  # the normal's 95th percentile
        return self.median * exp(rng.gauss(0.0, sigma))


@frozen
class GeminiFault(PlannedFault):
    """One entry of the plan. ``calls`` (or jobs) by number, from 1, or all; ``model``: only of that model.

    ``how`` selects a variety, at random if not set. Raises: InvalidParameter.
    """

    kind: GeminiFaultKind
    calls: tuple[int, ...] = ()
    model: str | None = None
    how: str | None = None
    status: int = 503
    reason: str = "SAFETY"
    retry_after: float | None = None
    seconds: float = 30.0

    def __post_init__(self) -> None:
        PlannedFault.__post_init__(self)
        known = HOWS.get(self.kind, ())
        if self.how is not None and self.how not in known:
            hint = f"Known: {', '.join(known) or 'none'}."
            raise InvalidParameter(f"how {self.how!r} is not known for {self.kind}", hint=hint)

    def fits(self, number: int, model: str, *, inside: bool = False) -> bool:
        """Whether the fault can apply to this call; ``inside`` a job of the Batch API."""
        possible = self.kind in INSIDE if inside else self.kind not in OF_JOBS
        return possible and self.concerns(number, model)

    def concerns(self, number: int, model: str) -> bool:
        """Whether the plan names this call or job."""
        return (not self.calls or number in self.calls) and self.model in (None, model)

    def variety(self, rng: random.Random) -> str:
        """``how``, or a random variety."""
        return self.how or rng.choice(HOWS.get(self.kind, ("",)))


@frozen
class GeminiPlan:
    """The latency of calls, and their faults."""

    faults: tuple[GeminiFault, ...] = ()
    latency: Latency = field(default_factory=Latency)

    @classmethod
    def parse(cls, table: object) -> GeminiPlan:
        """``{"latency": {…}, "fault": [{…}, …]}``.

        Raises: InvalidParameter, naming the entry.
        """
        faults = parse_faults(table, GeminiFault, beside=["latency"])
        latency = table.get("latency", {}) if isinstance(table, Mapping) else {}
        return cls(faults, parse_record(latency, Latency, "latency"))
