"""A client of the shop: asks for pictures of known photos, on a schedule, and keeps what comes.

As a module it reads a job from stdin and prints an answer a line, so that traffic runs in a process of its own.
"""

from __future__ import annotations

import base64
import http.client
import json
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from perkie_cli.domain.frozen import frozen
from perkie_cli.loadtest.chaos.stage.ledger import PETS, Answer, Order, picture_file
from perkie_cli.loadtest.photos import Photos

SIDE = 480  # px
SEED = 7
PATIENCE = 120.0  # seconds for one answer


@frozen
class Job:
    """Orders for a server. ``folder`` takes the pictures."""

    url: str
    folder: str
    orders: Sequence[Order]

    def text(self) -> str:
        """As JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Job:
        """From JSON."""
        fields = json.loads(text)
        return cls(**{**fields, "orders": [Order(**each) for each in fields["orders"]]})


def ask_all(job: Job) -> list[Answer]:
    """Sends each order at its time, whatever became of those before, and waits for all answers."""
    photos = Photos(SIDE, SEED)
    bodies = [_body(photos, order) for order in job.orders]
    answers: list[Answer | None] = [None] * len(bodies)
    began = time.monotonic()

    def ask(number: int) -> None:
        answers[number] = _in_time(job, job.orders[number], bodies[number], began)

    threads = [threading.Thread(target=ask, args=(number,), daemon=True) for number in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [answer for answer in answers if answer is not None]


def _body(photos: Photos, order: Order) -> bytes:
    photo = photos.photo(order.pet + photos.drawings * (order.photo // PETS))
    fields = {"style": order.style, "session_id": order.session, "remove_background": order.cut_out}
    return json.dumps({**fields, "image_data": base64.b64encode(photo).decode()}).encode()


def _in_time(job: Job, order: Order, body: bytes, began: float) -> Answer:
    time.sleep(max(0.0, began + order.at - time.monotonic()))
    facts: dict[str, Any]
    try:
        facts = _send(job, body)
    except ConnectionRefusedError:
        facts = {"status": 0, "problem": "refused"}
    except TimeoutError:
        facts = {"status": 0, "problem": "no_answer"}
    except (OSError, http.client.HTTPException):
        facts = {"status": 0, "problem": "broken_off"}
    return Answer(order, round(time.monotonic() - began - order.at, 3), **facts)


def _send(job: Job, body: bytes) -> dict[str, Any]:
    """One request on a connection of its own, so that it feels a restart at once."""
    connection = http.client.HTTPConnection(urlsplit(job.url).netloc, timeout=PATIENCE)
    try:
        headers = {"Content-Type": "application/json", "Accept": "image/jpeg", "Connection": "close"}
        connection.request("POST", "/api/v1/generate", body, headers)
        answer = connection.getresponse()
        return _facts(answer.status, answer.headers, answer.read(), Path(job.folder))
    finally:
        connection.close()


def _facts(status: int, told: http.client.HTTPMessage, data: bytes, folder: Path) -> dict[str, Any]:
    if status != 200:
        return {"status": status, "problem": _problem(data), "retry_after": "Retry-After" in told}
    file = picture_file(folder, uuid4().int)
    file.write_bytes(data)
    return {
        "status": status,
        "engine": told.get("X-Perkie-Engine", ""),
        "cache": told.get("X-Perkie-Cache", ""),
        "degraded": told.get("X-Perkie-Degraded") == "true",
        "picture": str(file),
    }


def _problem(data: bytes) -> str:
    try:
        return str(json.loads(data)["type"]).removeprefix("urn:perkie:problem:")
    except (ValueError, KeyError, TypeError):
        return "no problem document"


def main() -> None:
    """Runs the job on stdin."""
    for answer in ask_all(Job.read(sys.stdin.read())):
        print(json.dumps(answer.fields()))  # noqa: T201 -- a pipe to the process that started it


if __name__ == "__main__":
    main()
