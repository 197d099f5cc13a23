"""The storage emulator: an HTTP server with faults by plan in front of the JSON API and signed URLs."""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, unquote, urlsplit

from perkie_cli.domain.storage.lifecycle import Action
from perkie_cli.domain.storage.lifecycle_json import rules_from
from perkie_cli.emulators.admin import CLOCK, PLAN, answer_shared, no_admin_call
from perkie_cli.emulators.fault_plan import Faults, parse_faults
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.skew import SkewedClock
from perkie_cli.emulators.storage.api import Api, segments
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.faults import StorageFault, answer_with
from perkie_cli.emulators.storage.records import Bucket
from perkie_cli.emulators.storage.retention import is_removable
from perkie_cli.emulators.storage.state import State
from perkie_cli.emulators.storage.uploads import split_parts
from perkie_cli.ports import Clock

KEPT_REQUESTS = 10_000


class StorageEmulator(HttpServer):
    """Cloud Storage on loopback. ``keys``: public keys (PEM) by e-mail of those who may sign URLs, ``*`` anybody's.

    ``tls``: needed for gsutil.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        keys: Mapping[str, bytes] | None = None,
        plan: Sequence[StorageFault] = (),
        seed: int = 0,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._handle, host, port, tls)
        self.clock = SkewedClock(clock)
        self.state = State(self.clock)
        self.faults = Faults(clock, plan, seed)
        self.seen: deque[str] = deque(maxlen=KEPT_REQUESTS)  # the last requests, in order
        self._api = Api(self.state, dict(keys or {}))

    def sweep(self) -> list[str]:
        """Runs every bucket's lifecycle rules once, at the clock's time; returns the deleted names.

        Delete takes precedence over a class change. Held or retained versions stay.
        """
        gone, now = [], self.state.clock.now()
        for bucket in self.state.buckets.values():
            rules = rules_from(bucket.fields.get("lifecycle", {}))
            for version, newer in list(self.state.all_versions(bucket)):
                due = [rule for rule in rules if rule.matches(version.stored(newer), now)]
                if any(rule.action is Action.DELETE for rule in due):
                    if is_removable(bucket, version, now):
                        self.state.delete(bucket, version, named=version.noncurrent is not None)
                        gone.append(version.name)
                elif due and due[0].storage_class is not None:
                    version.fields["storageClass"] = due[0].storage_class
        return gone

    def add_bucket(self, name: str, **fields: object) -> Bucket:
        """A new, empty bucket; ``fields`` as in the API's resource."""
        bucket = self.state.buckets[name] = Bucket(name, dict(fields), self.state.clock.now())
        return bucket

    async def _handle(self, request: Request, wire: Wire) -> Response | None:
        if request.path in (PLAN, CLOCK):
            shared = answer_shared(request, self.faults, self.clock, self._replace_plan, dict)
            return shared or no_admin_call(request)
        self.seen.append(f"{request.method} {request.raw_path}")
        fault = self.faults.choose(lambda fault: fault.fits(request))
        if fault is None:
            return self._good(request)
        return await answer_with(fault, request, wire, lambda: self._good(request))

    def _good(self, request: Request) -> Response:
        return replace(self._answer(request), head=request.method == "HEAD")

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self.faults.set(parse_faults(table, StorageFault), lease)

    def _answer(self, request: Request) -> Response:
        if segments(request)[0] != "batch":
            return self._api.answer(request)
        try:
            return self._batch(request)
        except (ApiError, ValueError) as error:
            return ApiError(400, f"Invalid batch: {error}").response()

    def _batch(self, request: Request) -> Response:
        """Each part is a request of its own: https://docs.cloud.google.com/storage/docs/batch. Raises: ApiError."""
        answers = []
        for headers, raw in split_parts(request):
            answer = self._api.answer(_parse_request(raw, request.base))
            id_ = headers.get("content-id", "").strip("<>")
            head = f"--batch\r\nContent-Type: application/http\r\nContent-ID: <response-{id_}>\r\n\r\n"
            answers.append(head.encode() + answer.bytes() + b"\r\n")
        return Response(200, b"".join(answers) + b"--batch--", "multipart/mixed; boundary=batch")


def _parse_request(raw: bytes, base: str) -> Request:
    head, _, body = raw.partition(b"\r\n\r\n") if b"\r\n\r\n" in raw else raw.partition(b"\n\n")
    first, *lines = head.decode().splitlines()
    method, target, *_ = first.split(" ")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if ": " in line)}
    url = urlsplit(target)
    return Request(method, unquote(url.path), dict(parse_qsl(url.query)), headers, body, url.path, url.query, base)
