"""The SQLite files of the state folder: whether they are whole, and a way out for one that is not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock, EventSink, StateFile, Workers
from perkie_cli.stores.sqlite.file import REPAIR, move_aside, verdict
from perkie_cli.stores.sqlite.trouble import StoreFile, explained


@frozen
class Expected:
    """A file, its schema, and what is lost with it."""

    path: Path
    schema: str
    holds: str


class SqliteState:
    """``ports.StateFiles`` over SQLite files. ``actor`` is named in the audit records."""

    def __init__(self, files: Sequence[Expected], clock: Clock, io: Workers, events: EventSink, actor: str) -> None:
        self._files = files
        self._clock = clock
        self._io = io
        self._events = events
        self._actor = actor

    async def verify(self, *, repair: bool) -> Sequence[StateFile]:
        """Reads every file, and moves corrupt ones aside for a repair."""
        return [await self._io.run(self._verify, file, repair) for file in self._files]

    def _verify(self, file: Expected, repair: bool) -> StateFile:
        try:
            return self._verified(file, repair)
        except StoreUnavailable as error:
            return StateFile(file.path, file.holds, None, unread=error)

    def _verified(self, file: Expected, repair: bool) -> StateFile:
        with explained(StoreFile(file.path, str(file.path), REPAIR)):
            wrong = verdict(file.path, file.schema)
            if wrong is None or not repair:
                return StateFile(file.path, file.holds, wrong)
            aside = move_aside(file.path, self._clock.now())
        self._events.emit(Audited("state.move_aside", str(file.path), self._actor, f"{wrong}; lost: {file.holds}"))
        return StateFile(file.path, file.holds, wrong, aside)
