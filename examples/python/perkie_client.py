"""A small typed client of the perkie HTTP API. Needs httpx only.

    python examples/python/perkie_client.py http://127.0.0.1:8080 examples/photos/cat.png ink_wash

The answers' fields are those of /openapi.json; a test holds the two against each other.
"""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True)
class Quota:
    """What is left today; ``warning`` is low, last or exhausted."""

    tier: str
    limit: int
    remaining: int
    reset_at: str
    warning: str | None = None


@dataclass(frozen=True)
class Picture:
    """One finished picture. ``image_url`` is good until ``expires_at``."""

    success: bool
    image_url: str
    expires_at: str | None
    original_url: str | None
    image_hash: str
    style: str
    cache_hit: bool
    cache: str
    engine: str
    model: str
    degraded: bool
    degradation_reason: str | None
    processing_time: float
    cost_usd: float
    width: int
    height: int
    quota: Quota | None
    warnings: list[str]
    request_id: str


@dataclass(frozen=True)
class Style:
    """One style."""

    id: str
    title: str
    aliases: list[str]
    popular: bool


class PerkieError(Exception):
    """A problem (RFC 9457). ``retry_after`` is in seconds, where waiting helps."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__(problem.get("detail", "the server gave no reason"))
        self.code = str(problem.get("type", "")).rpartition(":")[2]
        self.status = int(problem.get("status", 0))
        self.retryable = bool(problem.get("retryable"))
        self.retry_after: float | None = problem.get("retry_after")
        self.request_id = problem.get("request_id")


class Perkie:
    """One server. ``key`` is an API key or a token; ``session`` names a visitor who is not logged in."""

    def __init__(self, url: str, key: str | None = None, session: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(60, read=160))
        self._session = {"session_id": session} if session else {}

    def __enter__(self) -> Perkie:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def styles(self) -> list[Style]:
        """Every style."""
        return [_made(Style, each) for each in self._checked(self._http.get("/api/v1/styles")).json()["styles"]]

    def quota(self) -> Quota | None:
        """What is left today; None for those who are not metered."""
        answer = self._checked(self._http.get("/api/v1/quota", params=self._session)).json()
        return _made(Quota, answer["quota"]) if answer["quota"] else None

    def generate(self, photo: Path, style: str, key: str | None = None) -> Picture:
        """Draws ``photo``. ``key`` makes a retry of the same call join or replay instead of paying twice."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        form = {"style": style, **self._session}
        files = {"image": (photo.name, photo.read_bytes())}
        answer = self._http.post("/api/v1/generate", data=form, files=files, headers=headers)
        return _picture(self._checked(answer).json())

    def process(self, photo: Path, strategy: str = "hybrid") -> Iterator[tuple[str, dict[str, Any]]]:
        """Cuts out and draws; yields (event, facts) as each step ends: accepted, cutout, style…, done or error."""
        form = {"strategy": strategy, **self._session}
        files = {"image": (photo.name, photo.read_bytes())}
        headers = {"Accept": "text/event-stream"}
        with self._http.stream("POST", "/api/v2/process", data=form, files=files, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
            self._checked(answer)
            name = ""
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    yield name, json.loads(line.removeprefix("data: "))

    def remove_background(self, photo: Path, **options: str) -> bytes:
        """The cut-out as PNG, or as ``options`` say (mode, output, background, trim, margin, aspect, format)."""
        return self._checked(self._http.post("/remove-background", content=photo.read_bytes(), params=options)).content

    def download(self, url: str) -> bytes:
        """The bytes behind a link of an answer."""
        return self._checked(self._http.get(url)).content

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        try:
            raise PerkieError(answer.json())
        except ValueError:
            raise PerkieError({"detail": f"HTTP {answer.status_code}", "status": answer.status_code}) from None


def _made(kind: type[T], values: dict[str, Any]) -> T:
    """``kind`` from those values that it knows: a newer server may tell more."""
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]  # T is one of the dataclasses above
    return kind(**{name: value for name, value in values.items() if name in known})


def _picture(values: dict[str, Any]) -> Picture:
    return _made(Picture, {**values, "quota": _made(Quota, values["quota"]) if values["quota"] else None})


def main(url: str, photo: str, style: str) -> None:
    """Draws one photo and saves it beside where it is run."""
    with Perkie(url) as perkie:
        picture = perkie.generate(Path(photo), style)
        target = Path(f"{Path(photo).stem}_{picture.style}.jpg")
        target.write_bytes(perkie.download(picture.image_url))
    print(f"{target}: {picture.engine}, {picture.cache}, {picture.processing_time:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:4])
