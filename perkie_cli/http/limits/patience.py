"""How long a server waits for clients that are slow or silent."""

from __future__ import annotations

from perkie_cli.domain.frozen import frozen

PACE_BYTES = 16 * 1024  # so much of a body must come in each ``pace``


@frozen
class Patience:
    """In seconds: for a head, from its connection or first byte; for a whole body; between two looks at its pace; for
    the first message of a WebSocket without credentials; of an upload for room; until some of an answer is read.
    """

    head: float = 10.0
    body: float = 60.0  # a phone may send a photo slowly, but it uses memory meanwhile
    pace: float = 10.0
    token: float = 10.0
    room: float = 10.0
    unread: float = 30.0
