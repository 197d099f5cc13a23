"""HTTP/1.1 connections with limits on heads: their size, their number of lines and their time.

uvicorn has none of these for httptools, whose parser also copies a header again with every packet that continues it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from perkie_cli.domain.errors import AtCapacity, PerkieError
from perkie_cli.http.answer.problems import MEDIA_TYPE, HeadTooLarge, MalformedHead, RequestTooSlow, problem
from perkie_cli.http.limits.patience import PACE_BYTES
from perkie_cli.http.wire.connections import Connections, Reading

HEAD_BYTES = 32 * 1024  # of a head, of trailers, and of a body's chunk lines beyond its own size
HEAD_LINES = 100
MOST_PIPELINED = 8  # requests that may wait for the one before them
_TOO_LARGE = HeadTooLarge(f"more than {HEAD_BYTES} bytes of headers")
LINGER = 5.0  # seconds in which a refused client may still send: closing at once would cost it the answer


_errors = logging.getLogger("uvicorn.error.wire")
_errors.setLevel(logging.ERROR)  # no lines about what clients do wrong: they could fill the log


class GuardedHttp(HttpToolsProtocol):
    """``connections`` are those of the server."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, connections: Connections, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _errors
        self._connections = connections
        self._patience = connections.patience
        self._reading = Reading(self, connections)
        self._around = 0  # bytes of the present message that are not body
        self._of_body = 0
        self._in_head = False
        self._in_message = False
        self._clock: asyncio.TimerHandle | None = None
        self._seen = 0
        self._refusal: PerkieError | None = None
        self._done = False  # refused, or another protocol's

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Starts the clock for the first head."""
        super().connection_made(transport)
        if self._connections.opened(self):
            self._start_clock(self._patience.head)
        else:
            self._refuse(AtCapacity("too many connections", hint="Try again shortly.", retry_after=5))
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        self._stop_clock()
        self._reading.resumed()
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feeds the parser, unless too much has come that is not body."""
        if self._done:
            return
        self._around += len(data)
        self._seen += len(data)
        super().data_received(data)
        if self._done or self.transport.is_closing():
            return
        if self._around > HEAD_BYTES + 2 * self._of_body:
            self._refuse(_TOO_LARGE)
        elif len(self.pipeline) > MOST_PIPELINED:
            self._refuse(HeadTooLarge(f"more than {MOST_PIPELINED} requests at once"))
        elif self._clock is None and self.timeout_keep_alive_task is None and not self._at_work():
            self._start_clock(self._patience.head)

    def on_message_begin(self) -> None:
        """Parser."""
        self._in_head = self._in_message = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Parser. Refuses heads that have no unambiguous meaning (RFC 9112 §3.2)."""
        names = [name for name, _ in self.headers]
        if len(names) > HEAD_LINES:
            self._refusal = HeadTooLarge(f"more than {HEAD_LINES} headers")
        elif self._around > HEAD_BYTES and self._head_size() > HEAD_BYTES:
            self._refusal = _TOO_LARGE
        elif names.count(b"host") != 1 and (b"host" in names or self.parser.get_http_version() != "1.0"):
            self._refusal = MalformedHead("exactly one Host header is needed")
        elif names.count(b"origin") > 1:
            self._refusal = MalformedHead("more than one Origin header was sent")
        if self._refusal is not None:
            raise ValueError("refused")  # httptools passes it on as its own error, which ends in send_400_response
        self._in_head = False
        self._stop_clock()
        self._connections.busy(self)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Parser."""
        self._of_body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Parser."""
        self._around = self._of_body = 0
        self._in_message = False
        self._stop_clock()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """The connection waits for the next request, or for the end of a body that nobody wanted."""
        super().on_response_complete()
        if self.transport.is_closing() or self._at_work():
            return
        self._connections.idle(self)
        if self._in_message:
            self._start_clock(self._patience.head if self._in_head else self._patience.pace)

    def send_400_response(self, msg: str) -> None:
        """Refuses what is not HTTP."""
        self._connections.note(self, "sends what is not HTTP")
        self._refuse(self._refusal or MalformedHead(msg))

    def pause_writing(self) -> None:
        """The client reads too slowly."""
        super().pause_writing()
        self._reading.paused()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._reading.resumed()

    def handle_websocket_upgrade(self) -> None:
        """The connection is another protocol's from now on."""
        self._done = True
        self._stop_clock()
        self._connections.closed(self)
        super().handle_websocket_upgrade()

    def _head_size(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _start_clock(self, seconds: float, rounds: int = 1) -> None:
        self._stop_clock()
        self._clock = self.loop.call_later(seconds, self._on_time, self._seen, rounds)

    def _stop_clock(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
            self._clock = None

    def _on_time(self, seen: int, rounds: int) -> None:
        """Closes the connection, unless the unwanted body still comes at the pace of a wanted one."""
        patience = self._patience
        if self._in_head and not self._done:
            self._connections.note(self, "sends its head too slowly")
            self._refuse(RequestTooSlow(f"the head did not arrive within {patience.head:g} s", hint="Try again."))
        elif self._in_message and self._seen - seen >= PACE_BYTES and rounds * patience.pace < patience.body:
            self._start_clock(patience.pace, rounds + 1)
        else:
            self._close()

    def _close(self) -> None:
        """Closes, even if the client does not read what is still to be sent."""
        self.transport.close()
        self.loop.call_later(self._patience.unread, self.transport.abort)

    def _refuse(self, error: PerkieError) -> None:
        """Answers with the problem, and reads no more; a connection with another answer under way is cut off."""
        if self._at_work():
            self._close()
            return
        answer = problem(error, secrets.token_hex(16))
        body = orjson.dumps(answer.body)
        headers = {**answer.headers, "Content-Type": MEDIA_TYPE, "Content-Length": len(body), "Connection": "close"}
        lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        self._done = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._start_clock(LINGER)
