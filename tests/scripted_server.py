"""An HTTP server on loopback that answers each request as the test has written it down."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Handler = BaseHTTPRequestHandler
Behaviour = Callable[[BaseHTTPRequestHandler, bytes], None]


@dataclass
class Scripted:
    """``script`` is used up from the front; its last entry stays. ``requests`` keeps (path, headers, body)."""

    url: str
    script: list[Behaviour]
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)


@contextlib.contextmanager
def scripted(*script: Behaviour) -> Iterator[Scripted]:
    state = Scripted("", list(script))

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            state.requests.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            behave = state.script.pop(0) if len(state.script) > 1 else state.script[0]
            with contextlib.suppress(OSError):  # the client may have gone
                behave(self, body)

        do_GET = do_POST = _answer  # noqa: N815  # the names that http.server looks for

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answers(status: int = 200, body: bytes = b"", **headers: str) -> Behaviour:
    """One plain answer; ``_`` in header names stands for ``-``."""

    def behave(handler: Handler, _: bytes) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return behave


def hangs_up(handler: Handler, _: bytes) -> None:
    """No answer at all."""
    handler.close_connection = True
    handler.connection.close()


def serves(data: bytes, *, at_most: int | None = None, resumes: bool = True) -> Behaviour:
    """A file with Range support; ``at_most`` bytes come, then the connection breaks."""

    def behave(handler: Handler, _: bytes) -> None:
        range_ = handler.headers.get("range", "") if resumes else ""
        start = int(range_.removeprefix("bytes=").rstrip("-") or 0)
        if range_ and start >= len(data):
            return answers(416)(handler, b"")
        rest = data[start:]
        handler.send_response(206 if range_ else 200)
        handler.send_header("Content-Length", str(len(rest)))
        handler.end_headers()
        handler.wfile.write(rest if at_most is None else rest[:at_most])
        if at_most is not None:
            handler.close_connection = True
        return None

    return behave
