"""What was recorded while perkie worked, read again: changes, and lines of a server's log."""

from __future__ import annotations

import re
from datetime import datetime

from perkie_cli.domain.frozen import frozen


@frozen
class AuditRecord:
    """One change: who did what to what, and its state before and after where known."""

    time: datetime
    action: str
    target: str
    actor: str
    detail: str
    before: str
    after: str

    def concerns(self, owner: str) -> bool:
        """Whether it names ``owner``, such as ``customer:42``, as a counter or as a folder of the cache."""
        kind, _, id_ = owner.partition(":")
        folders = {"customer": f"customers/{id_}", "session": f"temp/{id_}"}
        named = rf"(?<![\w-])(?:{re.escape(owner)}|{re.escape(folders.get(kind, owner))})(?![\w-])"
        return re.search(named, f"{self.target} {self.detail}") is not None


@frozen
class LogLine:
    """One line of a server's log. ``event``: the kind of event, if it is one; ``owner``: a keyed hash."""

    time: datetime
    level: str
    event: str | None
    message: str
    request_id: str | None
    caller: str | None
    owner: str | None
