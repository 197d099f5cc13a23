"""What the connections of a server share: their number, and the memory of answers that nobody reads."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Protocol

from perkie_cli.http.limits.patience import Patience

log = logging.getLogger("perkie.http")
READ_BYTES = 16 * 1024  # bytes of its answer that count as read by a client
_ONCE = 60.0  # seconds: a client is named in the log once in that time
_NAMES = 1000  # clients that are remembered for it


class Connection(Protocol):
    """One connection."""

    transport: asyncio.Transport


class Connections:
    """The connections of one server: at most ``most``, with at most ``unread`` bytes of answers waiting in them."""

    def __init__(self, most: int, unread: int, patience: Patience) -> None:
        self.patience = patience
        self._most = most
        self._unread_most = unread
        self._all: set[Connection] = set()
        self._idle: dict[Connection, None] = {}  # without a request, the longest first
        self._unread: OrderedDict[Connection, int] = OrderedDict()  # the longest first
        self._named: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._all)

    def opened(self, connection: Connection) -> bool:
        """Counts a connection, for which the longest idle one may be closed; False: there is no room for it."""
        if len(self._all) >= self._most:
            if not self._idle:
                self.note(connection, f"more than {self._most} connections")
                return False
            longest = next(iter(self._idle))
            self.closed(longest)
            longest.transport.abort()
        self._all.add(connection)
        self._idle[connection] = None
        return True

    def busy(self, connection: Connection) -> None:
        """It has a request."""
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """It waits for its client's next request."""
        if connection in self._all:
            self._idle[connection] = None

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self._all.discard(connection)
        self._idle.pop(connection, None)
        self._unread.pop(connection, None)

    def unread(self, connection: Connection, size: int) -> None:
        """So many bytes of its answers wait to be read. Too many in all: who reads least recently is cut off."""
        self._unread.setdefault(connection, 0)
        self._unread[connection] = size
        while len(self._unread) > 1 and sum(self._unread.values()) > self._unread_most:
            longest, _ = self._unread.popitem(last=False)
            self.note(longest, "does not read its answer")
            longest.transport.abort()

    def read(self, connection: Connection) -> None:
        """Its answers were read."""
        self._unread.pop(connection, None)

    def note(self, connection: Connection, what: str) -> None:
        """Logs what a client does wrong, once a minute for each address."""
        peer = connection.transport.get_extra_info("peername")
        name, now = str(peer[0] if peer else "unknown"), time.monotonic()
        if self._named.get(name, -_ONCE) > now - _ONCE:
            return
        self._named[name] = now
        self._named.move_to_end(name)
        if len(self._named) > _NAMES:
            self._named.popitem(last=False)
        log.warning("%s: %s (told once a minute)", name, what)


class Reading:
    """Watches whether a client reads: of a connection whose ``transport`` can take no more."""

    def __init__(self, connection: Connection, connections: Connections) -> None:
        self._connection = connection
        self._connections = connections
        self._timer: asyncio.TimerHandle | None = None

    def paused(self) -> None:
        """The transport's buffer is full."""
        size = self._connection.transport.get_write_buffer_size()
        self._connections.unread(self._connection, size)
        self.stop()
        self._timer = asyncio.get_running_loop().call_later(self._connections.patience.unread, self._check, size)

    def resumed(self) -> None:
        """The buffer was read, or the connection lost."""
        self.stop()
        self._connections.read(self._connection)

    def stop(self) -> None:
        """Stops the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, before: int) -> None:
        size = self._connection.transport.get_write_buffer_size()
        if before - size < READ_BYTES:
            self._connections.note(self._connection, "does not read its answer")
            self._connection.transport.abort()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._connections.patience.unread, self._check, size)
