"""What happened, as frozen records. Services emit them; logs, metrics and audit records are made of them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import ClassVar

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen


class Event:
    """Base of all events."""

    __slots__ = ()
    __match_args__: ClassVar[tuple[str, ...]] = ()  # the names of its values


@frozen
class Started(Event):
    """A server has reached a ``phase``, ``listening`` or ``warm``, so many seconds after its process began."""

    phase: str
    seconds: float


@frozen
class Arrived(Event):
    """A request over HTTP has come."""


@frozen
class Answered(Event):
    """A request over HTTP has ended; ``route`` is the path as declared, never as called. ``shown``: for the log."""

    method: str
    route: str
    status: int
    seconds: float
    shown: str = ""


@frozen
class PictureEnded(Event):
    """A picture that somebody asked for: ``outcome`` is ``ok``, ``degraded``, ``cancelled`` or an error's code.

    ``cache`` is a ``CacheOutcome`` value; of a failure, ``miss``, and engine and model are those that were asked for.
    """

    style: str
    engine: str
    model: str
    cache: str
    outcome: str
    seconds: float


@frozen
class CutoutEnded(Event):
    """A cut-out that somebody asked for; as ``PictureEnded``."""

    engine: str
    model: str
    cache: str
    outcome: str
    seconds: float


@frozen
class UploadEnded(Event):
    """A photo to be kept was ``stored``, was ``known`` already, or ``failed``."""

    outcome: str
    seconds: float


@frozen
class QueueChanged(Event):
    """So many pieces of ``work`` wait for a lane now."""

    work: str
    waiting: int


@frozen
class WaitEnded(Event):
    """A piece of work that had to wait has its lane."""

    work: str
    seconds: float


@frozen
class WorkRefused(Event):
    """A piece of work was refused, because too much waits or it would come too late."""

    work: str


@frozen
class QuotaUsed(Event):
    """A customer's picture of the day was ``reserved``, ``committed``, ``released`` or ``refused``."""

    tier: str
    outcome: str


@frozen
class RateRefused(Event):
    """A request was over the rate ``limit`` of that name."""

    limit: str


@frozen
class CacheLookup(Event):
    """One look-up and how it ended (a ``CacheOutcome`` value)."""

    outcome: str
    style: str
    seconds: float = 0.0


@frozen
class StyleLeftOut(Event):
    """A style file cannot be used; the other styles work."""

    reason: str  # names the file
    hint: str | None


@frozen
class SettingShadowed(Event):
    """Two environment variables give the same setting: ``used`` wins, ``ignored`` has no effect."""

    setting: str
    used: str
    ignored: str


@frozen
class StoreFailed(Event):
    """A best-effort write to a store did not succeed."""

    store: str
    operation: str
    reason: str
    hint: str | None = None


@frozen
class StoreAnswered(Event):
    """A store worked: at reading or writing (``operation``), or at everything if that is empty."""

    store: str
    operation: str = ""


@frozen
class StoreBack(Event):
    """A store that failed works again."""

    store: str
    failures: int


@frozen
class CacheTrimmed(Event):
    """The cache has reached its limit in bytes: from now on the objects that were unused the longest go."""

    limit: int


@frozen
class Audited(Event):
    """A change of something shared: who did what to what, and its state before and after where known."""

    action: str
    target: str
    actor: str
    detail: str = ""
    before: str = ""
    after: str = ""


@frozen
class AuditLost(Event):
    """A change was made, but its record could not be written to ``path``."""

    path: str
    reason: str


@frozen
class BreakerChanged(Event):
    """A circuit breaker changed its state; ``open_for`` is the current open time in seconds."""

    upstream: str
    before: str
    after: str
    open_for: float


@frozen
class UpstreamCalled(Event):
    """One attempt at an upstream ended: ``outcome`` is ``ok``, ``cancelled`` or an error's code."""

    upstream: str
    attempt: int
    outcome: str
    seconds: float


@frozen
class UpstreamSpared(Event):
    """A call was wanted and not sent: by the breaker, or by a refusal that is known; ``reason`` is the error's code."""

    upstream: str
    reason: str


@frozen
class UpstreamRetried(Event):
    """Attempt number ``attempt`` failed; the next one follows after ``wait`` seconds.

    ``waited``: seconds waited before earlier attempts; ``cause``: the error message, ``reason`` its code.
    """

    upstream: str
    reason: str
    wait: float
    attempt: int
    waited: float
    cause: str


@frozen
class Spent(Event):
    """One paid call: its cost in dollars, or its possible cost when the outcome is unknown."""

    model: str
    usd: Decimal
    possible: bool
    input_tokens: int = 0
    output_tokens: int = 0


@frozen
class Degraded(Event):
    """A customer got a substitute from ``engine``; ``reason`` is the code of the error that led to it.

    ``step`` of the ladder: ``older``, ``local`` or ``builtin``.
    """

    style: str
    reason: str
    engine: str
    step: str
    cause: str  # the error message
    hint: str | None = None


def outcome_of(error: BaseException) -> str:
    """How work that raised it has ended: the error's code, ``cancelled``, or ``error`` for a bug."""
    if isinstance(error, PerkieError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "error"


class NoEvents:
    """A sink that drops everything."""

    def emit(self, event: Event) -> None:
        """Drops the event."""
