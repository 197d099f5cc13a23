"""WebSocket connections whose messages count like request bodies, and that hold little before they are trusted."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from perkie_cli.http.limits.bodies import Bodies, Body
from perkie_cli.http.wire.connections import Connections, Reading

DOOR_BYTES = 64 * 1024  # of a message, until its sender is known
MOST_FRAGMENTS = 4096  # of one message; browsers send a few
MOST_MESSAGES = 4  # that nobody has read yet


class GuardedWebSocket(WebSocketsSansIOProtocol):
    """Its scope has it as ``perkie.socket``; the route calls ``trust`` once it knows who is there."""

    transport: asyncio.Transport

    def __init__(self, *args: Any, connections: Connections, bodies: Bodies, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._bodies = bodies
        self._reading = Reading(self, connections)
        self._body: Body | None = None
        self._arriving = False
        self.arrived = 0  # bytes since the handshake
        self.in_message = False  # whether one has begun to arrive
        self._let_in(DOOR_BYTES)

    def trust(self, address: str) -> Body:
        """Lets in one message of full size. It counts against ``address``, in the body returned."""
        self._connections.busy(self)
        self._let_in(self.config.ws_max_size)
        self._arriving = True
        self._body = self._bodies.open(address, self._give_way)
        return self._body

    def _let_in(self, size: int) -> None:
        self.conn.max_message_size = min(size, self.config.ws_max_size)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """asyncio."""
        super().connection_made(transport)
        if not self._connections.opened(self):
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio."""
        self._reading.resumed()
        self._connections.closed(self)
        if self._body is not None:
            self._body.close()
        super().connection_lost(exc)

    def handle_connect(self, event: Any) -> None:
        """The handshake."""
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["perkie.socket"] = self  # type: ignore[typeddict-unknown-key]

    def data_received(self, data: bytes) -> None:
        """Counts before it parses."""
        if self.handshake_complete:
            self.arrived += len(data)
            if self._body is not None and self._arriving and not self._body.try_grow(len(data)):
                self._give_way()
                return
        super().data_received(data)
        if len(self.frames) > MOST_FRAGMENTS:
            self._fail(CloseCode.POLICY_VIOLATION, f"more than {MOST_FRAGMENTS} fragments")
        elif self.queue.qsize() > MOST_MESSAGES:
            self._fail(CloseCode.POLICY_VIOLATION, f"more than {MOST_MESSAGES} messages at once")

    def handle_events(self) -> None:
        """Of what has arrived; what is left is the beginning of a frame."""
        ended = bool(self.conn.events)
        super().handle_events()
        self.in_message = bool(self.frames or self.conn.reader.buffer) or not ended

    def handle_text(self, event: Frame) -> None:
        """Leaves text as bytes: the JSON parser decodes it, and only it."""
        super().handle_bytes(event)

    def send_receive_event_to_app(self) -> None:
        """A message is complete: the request itself, after which little more is expected."""
        if self._body is not None:
            self._body.arrived()
            self._arriving = False
            self._let_in(DOOR_BYTES)
        super().send_receive_event_to_app()

    def pause_writing(self) -> None:
        """The client does not read: it need not be read either, pings of which every one is answered least of all."""
        super().pause_writing()
        self._reading.paused()
        if not self.read_paused:
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        self._reading.resumed()
        if not self.read_paused:
            self.transport.resume_reading()

    def _give_way(self) -> None:
        self._fail(CloseCode.TRY_AGAIN_LATER, "too many uploads at once")

    def _fail(self, code: CloseCode, reason: str) -> None:
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(code, reason)
        self.handle_parser_exception()
