"""``streamGenerateContent``: the same answer in pieces, one part each, as server-sent events or as a JSON array."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from perkie_cli.emulators.http_server import Response


def streamed(response: Response, *, sse: bool) -> Response:
    """A JSON answer in its streamed form; anything but a JSON object stays unchanged."""
    try:
        body = json.loads(response.body)
    except ValueError:
        return response
    if not isinstance(body, dict):
        return response
    pieces = [json.dumps(piece) for piece in (_pieces(body) if response.status == 200 else [body])]
    if not sse:
        return Response(response.status, ("[" + ",\r\n".join(pieces) + "]").encode(), headers=response.headers)
    if response.status != 200:
        return response
    return Response(200, "".join(f"data: {piece}\r\n\r\n" for piece in pieces).encode(), "text/event-stream")


def _pieces(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of the answer; the last one has the finish reason."""
    candidates = body.get("candidates")
    only = candidates[0] if isinstance(candidates, list) and candidates else {}
    parts = (only.get("content") or {}).get("parts") or []
    shared = {name: value for name, value in body.items() if name != "candidates"}
    for part in parts[:-1]:
        yield {**shared, "candidates": [{"index": 0, "content": {"role": "model", "parts": [part]}}]}
    if len(parts) > 1:
        body = {**body, "candidates": [{**only, "content": {"role": "model", "parts": parts[-1:]}}]}
    yield body
