"""A scenario: which requests, on which schedule, with which photos and owners, and what must hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.thresholds import Threshold

LONGEST = 600.0  # seconds that are measured; no timeout is longer
RAW = "body"  # ``Call.photo``: the photo is the whole body
SLOTS = ("customer", "session", "n")  # what texts of a call may hold, in braces


_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # a header's name, RFC 9110
_MADE = {"host", "content-length", "content-type", "transfer-encoding", "connection", "expect"}


def why_no_header(name: str) -> str:
    """Why a scenario cannot set this header; empty if it can."""
    if not _TOKEN.fullmatch(name):
        return "is not a header's name"
    return "is set by the load test itself" if name.lower() in _MADE else ""


class Check(StrEnum):
    """What an answer must be, besides its status."""

    NONE = "none"
    PICTURE = "picture"  # a whole JPEG, PNG or WebP, decoded after the run
    STREAM = "stream"  # server-sent events up to ``done``


class Spacing(StrEnum):
    """The gaps between arrivals."""

    EVEN = "even"
    POISSON = "poisson"


@frozen
class Phase:
    """A part of the schedule: ``rate`` arrivals a second, changing to ``to``; or ``users``, each with a ``think`` time.

    Durations are in seconds.
    """

    name: str
    duration: float
    rate: float = 0.0
    to: float | None = None
    users: int = 0
    think: float = 0.0

    @property
    def end_rate(self) -> float:
        """Arrivals a second at the end."""
        return self.rate if self.to is None else self.to

    @property
    def arrivals(self) -> float:
        """How many arrivals it has; 0 for users."""
        return (self.rate + self.end_rate) / 2 * self.duration


@frozen
class Call:
    """A kind of request. Texts may hold ``{customer}``, ``{session}`` and ``{n}``, the request's number.

    ``photo`` names the field of the form or of the JSON that carries a photo; ``RAW``: the body is the photo.
    """

    name: str
    path: str
    method: str = "GET"
    weight: float = 1.0
    headers: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, Any] = field(default_factory=dict)
    photo: str = ""
    expect: frozenset[int] = frozenset({200})
    check: Check = Check.NONE
    timeout: float = 60.0


@frozen
class PhotoPool:
    """Generated photos: ``hit_rate`` of the requests send one of ``warm`` photos, which were sent before the clock
    starts; the others send a photo that was never sent before.
    """

    side: int = 1024
    hit_rate: float = 0.0
    warm: int = 0


@frozen
class SelfSetup:
    """What ``--self`` starts: ``gemini`` is the plan of its emulator, ``environ`` the server's environment."""

    picture: str = "style"
    gemini: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)


@frozen
class Scenario:
    """The whole. Durations are in seconds; the first ``warm_up`` of the schedule are sent, but not judged."""

    name: str
    phases: tuple[Phase, ...]
    calls: tuple[Call, ...]
    title: str = ""
    source: str = ""
    spacing: Spacing = Spacing.EVEN
    warm_up: float = 0.0
    grace: float | None = None  # time for the last answers; None: the longest timeout
    max_in_flight: int = 0  # 0: enough for every answer to reach its timeout, up to ``MOST_IN_FLIGHT``
    photos: PhotoPool = PhotoPool()
    owners: int = 0  # distinct customers and sessions; 0: a new one for each request
    thresholds: tuple[Threshold, ...] = ()
    fresh_servers: int = 0  # above 0: as many servers are started, and each gets one request
    hosting: SelfSetup = SelfSetup()

    @property
    def open(self) -> bool:
        """Whether requests arrive on a schedule, whatever the server does; else users wait for their answers."""
        return not any(phase.users for phase in self.phases)

    @property
    def duration(self) -> float:
        """Of the schedule."""
        return sum(phase.duration for phase in self.phases)

    @property
    def peak_rate(self) -> float:
        """The highest number of arrivals a second; 0 for users."""
        return max((max(phase.rate, phase.end_rate) for phase in self.phases), default=0.0)

    @property
    def timeout(self) -> float:
        """The longest of its calls."""
        return max(call.timeout for call in self.calls)

    @property
    def last_wait(self) -> float:
        """Seconds after the schedule's end in which answers still count."""
        return self.timeout if self.grace is None else self.grace

    def scaled(self, *, rate: float | None = None, duration: float | None = None) -> Scenario:
        """The same with another peak rate (or number of users) and another length; phases keep their proportions."""
        longer = 1.0 if duration is None else duration / self.duration
        phases = tuple(replace(phase, duration=phase.duration * longer) for phase in self.phases)
        if rate is not None:
            phases = tuple(self._at(rate, phase) for phase in phases)
        return replace(self, phases=phases, warm_up=self.warm_up * min(longer, 1.0))

    def _at(self, rate: float, phase: Phase) -> Phase:
        if not self.open:
            most = max(each.users for each in self.phases)
            return replace(phase, users=max(1, round(phase.users * rate / most)))
        factor = rate / self.peak_rate
        return replace(phase, rate=phase.rate * factor, to=None if phase.to is None else phase.to * factor)
