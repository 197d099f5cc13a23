"""A small typed client of the perkie HTTP API. Needs httpx and pydantic.

    python examples/python/perkie_client.py http://127.0.0.1:8080 examples/photos/cat.png ink_wash

Everything that is sent and received is a model of ``perkie_models.py``, which is made from the OpenAPI document
(docs/openapi.json); copy both files. Methods are named for the document's operations.
"""

from __future__ import annotations

import base64
import json
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeAlias

import httpx
from perkie_models import (
    AcceptedEvent,
    BatchAnswer,
    BatchBody,
    CutoutEvent,
    DoneEvent,
    ErrorEvent,
    GenerateAnswer,
    GenerateBody,
    HealthAnswer,
    ProblemBody,
    ProcessBody,
    ProcessEvent,
    QuotaAnswer,
    QuotaFields,
    ReadyAnswer,
    StyleEvent,
    StyleFacts,
    StylesAnswer,
    UploadAnswer,
    WarmupAnswer,
)
from pydantic import BaseModel, ValidationError

Photo: TypeAlias = Path | bytes | str
"""A file, its bytes, or the ``image_hash`` of an earlier answer, which saves sending the photo again."""
Step: TypeAlias = AcceptedEvent | CutoutEvent | StyleEvent | DoneEvent
Strategy: TypeAlias = Literal["on_demand", "pregenerate", "hybrid"]


class PerkieError(Exception):
    """The server's answer is a problem (RFC 9457). ``problem`` says which, and whether and when to try again."""

    def __init__(self, problem: ProblemBody) -> None:
        super().__init__(f"{problem.detail}. {problem.hint}" if problem.hint else problem.detail)
        self.problem = problem
        self.code = problem.type.rpartition(":")[2]


class Perkie:
    """One server. ``key`` is an API key or a token.

    ``session_id`` names a visitor who is not logged in, ``customer_id`` one who is; the key must prove the latter.
    """

    def __init__(
        self, url: str, key: str | None = None, *, session_id: str | None = None, customer_id: str | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=httpx.Timeout(60, read=160))
        who = {"session_id": session_id, "customer_id": customer_id}
        self._who = {name: value for name, value in who.items() if value}

    def __enter__(self) -> Perkie:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def styles(self) -> list[StyleFacts]:
        """Every style."""
        return StylesAnswer.model_validate_json(self._get("/api/v1/styles")).styles

    def quota(self) -> QuotaFields | None:
        """What is left today; None for those who are not metered."""
        return QuotaAnswer.model_validate_json(self._get("/api/v1/quota", self._who)).quota

    def generate(
        self, photo: Photo, style: str, *, remove_background: bool = False, idempotency_key: str | None = None
    ) -> GenerateAnswer:
        """Draws ``photo``. A retry with the same ``idempotency_key`` joins or replays instead of paying twice."""
        body = GenerateBody.model_validate({"style": style, "remove_background": remove_background, **self._who})
        return GenerateAnswer.model_validate_json(self._draw("/api/v1/generate", photo, body, idempotency_key))

    def batch_generate(
        self,
        photo: Photo,
        styles: str | Sequence[str] = "all",
        *,
        remove_background: bool = False,
        idempotency_key: str | None = None,
    ) -> BatchAnswer:
        """Draws ``photo`` in several styles; each outcome is a picture or a problem."""
        asked = {"styles": _names(styles), "remove_background": remove_background, **self._who}
        body = BatchBody.model_validate(asked)
        return BatchAnswer.model_validate_json(self._draw("/api/v1/batch-generate", photo, body, idempotency_key))

    def process(
        self, photo: Photo, strategy: Strategy = "hybrid", styles: str | Sequence[str] | None = None
    ) -> Iterator[Step]:
        """Cuts out and draws, and yields each step as it ends. Closing the iterator cancels the rest."""
        body = ProcessBody(strategy=strategy, styles=_names(styles), **self._who)
        headers = {"Accept": "text/event-stream"}
        data, files = _form(photo, body)
        with self._http.stream("POST", "/api/v2/process", data=data, files=files, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
            for step in _steps(_checked(answer)):
                if isinstance(step, ErrorEvent):
                    raise PerkieError(step.data)
                yield step

    def remove_background(
        self,
        photo: Path | bytes,
        *,
        mode: Literal["base", "fast"] | None = None,
        output: Literal["rgba", "mask"] = "rgba",
        background: str = "transparent",
        trim: bool = False,
        margin: float = 0,
        aspect: str | None = None,
        format: Literal["png", "webp", "jpg"] | None = None,  # noqa: A002  # the document's name
    ) -> bytes:
        """The cut-out as a picture."""
        query = {"mode": mode, "output": output, "background": background, "trim": trim, "margin": margin,
                 "aspect": aspect, "format": format}  # fmt: skip
        given = {name: value for name, value in query.items() if value is not None}
        return _checked(self._http.post("/remove-background", content=_bytes(photo), params=given)).content

    def upload(self, original: Path | bytes, **processed: Path | bytes) -> UploadAnswer:
        """Keeps a photo, and pictures of it as ``processed_NAME=…``."""
        pictures = {"original": original, **processed}
        files = {name: (name, _bytes(picture)) for name, picture in pictures.items()}
        answer = self._http.post("/api/storage/upload", data=self._who, files=files)
        return UploadAnswer.model_validate_json(_checked(answer).content)

    def image(self, url: str) -> bytes:
        """The picture behind a link of an answer, which is a credential by itself: yours is not sent there."""
        if url.startswith("data:"):
            return base64.b64decode(url.partition(",")[2])
        return _checked(httpx.get(url, timeout=60)).content

    def health(self) -> HealthAnswer:
        """Whether the server lives."""
        return HealthAnswer.model_validate_json(self._get("/health"))

    def ready(self) -> ReadyAnswer:
        """Whether what it needs answers; the status says so, not an error."""
        return ReadyAnswer.model_validate_json(self._http.get("/ready").content)

    def warmup(self) -> WarmupAnswer:
        """Loads what the first picture would wait for."""
        return WarmupAnswer.model_validate_json(_checked(self._http.post("/warmup")).content)

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> bytes:
        return _checked(self._http.get(path, params=query)).content

    def _draw(self, path: str, photo: Photo, body: BaseModel, key: str | None) -> bytes:
        data, files = _form(photo, body)
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return _checked(self._http.post(path, data=data, files=files, headers=headers)).content


def _bytes(photo: Path | bytes) -> bytes:
    return photo.read_bytes() if isinstance(photo, Path) else photo


def _names(styles: str | Sequence[str] | None) -> Any:
    return styles if styles is None or isinstance(styles, str) else list(styles)


def _fields(body: BaseModel) -> dict[str, str | list[str]]:
    """The fields of a form; a list is sent as a repeated one."""
    values = body.model_dump(exclude_none=True, exclude_defaults=True)
    return {name: value if isinstance(value, list) else str(value) for name, value in values.items()}


def _form(photo: Photo, body: BaseModel) -> tuple[dict[str, str | list[str]], dict[str, tuple[str, bytes]]]:
    """The fields and files of a multipart form."""
    if isinstance(photo, str):
        return {**_fields(body), "image_hash": photo}, {}
    name = photo.name if isinstance(photo, Path) else "photo"
    return _fields(body), {"image": (name, _bytes(photo))}


def _steps(answer: httpx.Response) -> Iterator[Step | ErrorEvent]:
    """Server-sent events; the server puts each one's data on a single line."""
    name = ""
    for line in answer.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            yield ProcessEvent.model_validate({"event": name, "data": data}).root


def _checked(answer: httpx.Response) -> httpx.Response:
    """Raises: PerkieError."""
    if answer.is_success:
        return answer
    try:
        problem = ProblemBody.model_validate_json(answer.content)
    except ValidationError:  # something between us and the server answered
        status = answer.status_code
        problem = ProblemBody(
            type="about:blank", title=answer.reason_phrase, status=status, detail=f"HTTP {status} from {answer.url}",
            request_id=answer.headers.get("x-request-id", ""), retryable=status in (429, 502, 503, 504),
        )  # fmt: skip
    raise PerkieError(problem)


def main(url: str, photo: str, style: str) -> None:
    """Draws one photo and saves it where it is run."""
    with Perkie(url) as perkie:
        picture = perkie.generate(Path(photo), style)
        target = Path(f"{Path(photo).stem}_{picture.style}.jpg")
        target.write_bytes(perkie.image(picture.image_url))
    print(f"{target}: {picture.engine}, {picture.cache}, {picture.processing_time:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:4])
