"""The state of a canary. It is kept on the service itself, so that any machine can go on or go back."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from perkie_cli.domain.deploy.traffic import Share, Split, described
from perkie_cli.domain.frozen import frozen

ANNOTATION = "perkie.dev/canary"
VERSION = 1


class Phase(StrEnum):
    """Where a canary is."""

    PROVING = "proving"  # the revision gets no traffic yet, and is tried at its tag
    HOLDING = "holding"  # it has its percent, and is watched
    DONE = "done"
    BACK = "rolled-back"


@frozen
class Rollout:
    """One canary. ``old``: the split before it; ``wrote``: the one that was written last."""

    id: str
    new: str
    image: str
    old: Split
    wrote: Split
    phase: Phase
    percent: int
    started: datetime
    since: datetime
    actor: str
    report: str = ""

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return self.phase in (Phase.PROVING, Phase.HOLDING)

    @property
    def step(self) -> str:
        """For people: ``holding at 10 %``."""
        return f"{self.phase} at {self.percent} %" if self.phase is Phase.HOLDING else self.phase.value

    def is_at(self, other: Rollout) -> bool:
        """Whether both are the same state, though tags of others may have been added."""
        return (self.id, self.phase, self.percent, self.since) == (other.id, other.phase, other.percent, other.since)

    def at(self, phase: Phase, percent: int, wrote: Split, now: datetime, report: str = "") -> Rollout:
        """The next state."""
        return replace(self, phase=phase, percent=percent, wrote=wrote, since=now, report=report[:500])

    def to_text(self) -> str:
        """The annotation."""
        return json.dumps(
            {
                "v": VERSION,
                "id": self.id,
                "new": self.new,
                "image": self.image,
                "old": [share.to_json() for share in self.old],
                "wrote": [share.to_json() for share in self.wrote],
                "phase": self.phase,
                "percent": self.percent,
                "started": self.started.isoformat(),
                "since": self.since.isoformat(),
                "actor": self.actor,
                "report": self.report,
            },
            sort_keys=True,
        )

    @classmethod
    def from_text(cls, text: str) -> Rollout | None:
        """None where there is none. Raises: ValueError for what is none of ours."""
        if not text:
            return None
        try:
            found = json.loads(text)
            if found["v"] != VERSION:
                raise ValueError(f"version {found['v']}")
            return cls(
                id=str(found["id"]),
                new=str(found["new"]),
                image=str(found["image"]),
                old=tuple(map(Share.from_json, found["old"])),
                wrote=tuple(map(Share.from_json, found["wrote"])),
                phase=Phase(found["phase"]),
                percent=int(found["percent"]),
                started=datetime.fromisoformat(found["started"]),
                since=datetime.fromisoformat(found["since"]),
                actor=str(found["actor"]),
                report=str(found["report"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"a field is missing or wrong: {error}") from error

    def __str__(self) -> str:
        return f"{self.new}, {self.step} ({described(self.wrote)})"
