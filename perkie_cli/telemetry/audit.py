"""Audit records: one JSON line for each change of something shared, in an append-only file."""

from __future__ import annotations

import errno
import getpass
import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.events import Audited, AuditLost, Event
from perkie_cli.domain.records import AuditRecord
from perkie_cli.domain.units import why_unread
from perkie_cli.ports import Clock
from perkie_cli.system.private import open_private, private_folder


def current_actor() -> str:
    """The user who runs this process: ``user@host``."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


class AuditLog:
    """An event sink that writes what was ``Audited`` to ``path`` (mode 0600)."""

    def __init__(self, path: Path, clock: Clock, tell: Callable[[Event], None]) -> None:
        """``tell``: of records that cannot be written."""
        self.path = path
        self.unreadable = 0  # lines of the last reading
        self._clock = clock
        self._tell = tell

    def taker(self, kind: type[Event]) -> Callable[[Audited], None] | None:
        """Takes ``Audited``."""
        return self.write if kind is Audited else None

    def write(self, event: Audited) -> None:
        """Writes the record; one that cannot be written becomes an ``AuditLost`` event."""
        try:
            self._append(event)
        except OSError as error:
            self._tell(AuditLost(str(self.path), error.strerror or str(error)))

    def records(self) -> Iterator[AuditRecord]:
        """What was recorded on this machine, the oldest first. Blocks. Raises: UnreadableFile."""
        self.unreadable = 0
        try:
            with self.path.open("r", encoding="utf-8", errors="replace") as file:
                for line in file:
                    record = _record(line)
                    if record is None:
                        self.unreadable += 1
                    else:
                        yield record
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnreadableFile(f"{self.path} cannot be read: {why_unread(error)}") from error

    def _append(self, event: Audited) -> None:
        record = {
            "time": self._clock.now().isoformat(timespec="milliseconds"),
            "action": event.action,
            "target": event.target,
            "actor": event.actor,
            "detail": event.detail,
            "before": event.before,
            "after": event.after,
        }
        private_folder(self.path.parent)
        descriptor = open_private(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        with os.fdopen(descriptor, "r+b", buffering=0) as file:  # one write call: lines of several processes never mix
            torn = "\n" if _is_torn(file) else ""
            line = (torn + json.dumps(record) + "\n").encode()
            if file.write(line) < len(line):  # the rest had no room
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _is_torn(file: io.FileIO) -> bool:
    """Whether the last line has no end: a full disk cut it off. A record right behind it would be lost, too."""
    size = os.fstat(file.fileno()).st_size
    return size > 0 and os.pread(file.fileno(), 1, size - 1) != b"\n"


def _record(line: str) -> AuditRecord | None:
    try:
        made = json.loads(line)
        texts = [made.get(name, "") for name in ("action", "target", "actor", "detail", "before", "after")]
        time = datetime.fromisoformat(made["time"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None  # torn by a full disk, or edited
    whole = time.tzinfo is not None and all(isinstance(text, str) for text in texts)
    return AuditRecord(time, *texts) if whole else None
