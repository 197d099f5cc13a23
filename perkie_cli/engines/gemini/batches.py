"""Gemini's Batch API through google-genai: files of requests, jobs, files of answers.

https://ai.google.dev/gemini-api/docs/batch-api. Inline requests are not used: their answers come in one piece with the
state of the job, which cannot be fetched at all once it is large (https://github.com/googleapis/python-genai/issues/2519).
"""

from __future__ import annotations

import asyncio
import base64
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from perkie_cli.domain.errors import (
    BadAnswer,
    InvalidParameter,
    ModelGone,
    PerkieError,
    UnexpectedAnswer,
    UpstreamRefused,
    UpstreamTimeout,
    UsageError,
    WrongCredentials,
    unwritable,
)
from perkie_cli.domain.money.price_list import SIDES, ImageModel, ModelCatalogue
from perkie_cli.domain.money.spend import Usage
from perkie_cli.domain.pictures.orders import JobState, UpstreamJob
from perkie_cli.domain.units import format_duration, format_size
from perkie_cli.engines.gemini import question
from perkie_cli.engines.gemini.answer import GeminiAnswer, read_parsed
from perkie_cli.engines.gemini.bill import usage_of
from perkie_cli.engines.gemini.client import Access, Connection, connect
from perkie_cli.engines.gemini.faults import fault
from perkie_cli.engines.gemini.picture import RequestedPicture, take
from perkie_cli.engines.gemini.question import Question
from perkie_cli.ports import Clock, Rendering, RenderJob, Workers
from perkie_cli.ports.batch_api import Answered

if TYPE_CHECKING:
    from datetime import datetime

    from google.genai.types import BatchJob

T = TypeVar("T")
JSONL = "application/jsonl"
ANSWER_WITHIN, FILE_WITHIN = 120.0, 3600.0  # seconds, without and with a file
METHOD = "batchGenerateContent"
# Bytes of an answer on the wire; the picture comes twice in some of them (research: 2K about 8 MB).
_ANSWER = {"1K": 3_000_000, "2K": 8_000_000, "4K": 32_000_000}
_OF_RPC = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 14: 503, 16: 401}
_STATES = {
    "PENDING": JobState.PENDING,
    "QUEUED": JobState.PENDING,
    "RUNNING": JobState.RUNNING,
    "CANCELLING": JobState.RUNNING,
    "SUCCEEDED": JobState.SUCCEEDED,
    "PARTIALLY_SUCCEEDED": JobState.PARTIAL,
    "FAILED": JobState.FAILED,
    "CANCELLED": JobState.CANCELLED,
    "EXPIRED": JobState.EXPIRED,
}


class GeminiBatches:
    """``ports.BatchApi`` of the developer API. The client is created at the first call."""

    def __init__(
        self,
        access: Access,
        models: ModelCatalogue,
        *,
        default_model: str,
        workers: Workers,
        io: Workers,
        clock: Clock,
    ) -> None:
        self._access = access
        self._models = models
        self._default_model = default_model
        self._workers = workers
        self._io = io
        self._clock = clock
        self._connecting = asyncio.Lock()
        self._connection: Connection | None = None

    def price(self, size: int, model: str | None = None) -> Decimal:
        """Half of the usual price, or what the model's row says."""
        chosen = self._model(model)
        return chosen.batched().price(chosen.image_size(size))

    def answer_bytes(self, size: int, model: str | None = None) -> int:
        """By the size of the picture."""
        return _ANSWER[self._model(model).image_size(size)]

    async def check(self, model: str) -> None:
        """Asks for the model's methods. An upstream that names none is believed."""
        self._model(model)
        found = await self._ask(lambda its: its.client.aio.models.get(model=model))
        if found.supported_actions and METHOD not in found.supported_actions:
            raise InvalidParameter(
                f"{model} is not offered by the Batch API", hint="Use --via online, or another model (gemini.model)."
            )

    async def question(self, job: RenderJob) -> Mapping[str, Any]:
        """The same question as online."""
        model = self._model(job.model)
        photo = await self._workers.run(question.reference, job.raster, model.reference_side)
        return _request(question.ask(job, model, photo), photo)

    async def upload(self, path: Path, name: str) -> str:
        """Resumable, in pieces of 8 MiB."""
        config: Any = {"mime_type": JSONL, "display_name": name}
        file = await self._ask(lambda its: its.client.aio.files.upload(file=path, config=config), FILE_WITHIN)
        return _named(file.name)

    async def create(self, model: str, file: str, display_name: str) -> UpstreamJob:
        """One call, never repeated."""
        config: Any = {"display_name": display_name}
        return _job(await self._ask(lambda its: its.client.aio.batches.create(model=model, src=file, config=config)))

    async def jobs(self) -> Sequence[UpstreamJob]:
        """All pages."""

        async def all_pages(its: Connection) -> list[UpstreamJob]:
            pager = await its.client.aio.batches.list(config={"page_size": 100})
            return [_job(each) async for each in pager]

        return await self._ask(all_pages)

    async def job(self, name: str) -> UpstreamJob | None:
        """None for a 404."""
        try:
            return _job(await self._ask(lambda its: its.client.aio.batches.get(name=name)))
        except ModelGone:  # what a 404 means elsewhere
            return None

    async def cancel(self, name: str) -> None:
        """The state follows later."""
        await self._ask(lambda its: its.client.aio.batches.cancel(name=name))

    async def download(self, file: str, path: Path, most: int) -> None:
        """Piece by piece to the disk."""
        with path.open("wb") as target:
            bounded: Any = _Bounded(target, most)
            await self._ask(lambda its: its.client.aio.files.download(file=file, destination=bounded), FILE_WITHIN)

    async def answered(self, row: Mapping[str, Any], job: RenderJob) -> Answered:
        """As for a call of its own, at the lower price."""
        connection = await self._connected()
        model = self._model(job.model, retired=True).batched()
        asked = question.ask(job, model, b"")
        try:
            found = await self._workers.run(_answer, row, connection, self._clock.now())
        except PerkieError as error:
            return Answered(error=error, usage=Usage(attempts=1))
        drawn = bool(found.pictures)
        usage = usage_of(found.usage, model, asked.image_size, drawn=drawn)
        if not drawn:
            return Answered(error=found.absence, usage=usage)
        wanted = RequestedPicture(job.raster, job.size, SIDES[asked.image_size], asked.ratio)
        try:
            taken = await self._workers.run(take, found.pictures, wanted)
        except PerkieError as error:
            return Answered(None, error, usage, drawn)
        except Exception as error:  # noqa: BLE001 -- what one picture meets does not cost the others theirs
            said = f"a picture by gemini failed unexpectedly ({type(error).__name__})"
            return Answered(None, UnexpectedAnswer(said), usage, drawn)
        rendering = Rendering(taken.raster, "gemini", model.id, usage, taken.notes, taken.paid)
        return Answered(rendering, None, usage, drawn)

    async def delete(self, job: str | None, files: Sequence[str]) -> None:
        """One call each."""
        if job is not None:
            with suppress(UpstreamRefused, WrongCredentials):  # files that are not there are a 403
                await self._ask(lambda its: its.client.aio.batches.delete(name=job))
        for name in files:
            with suppress(UpstreamRefused, WrongCredentials):
                await self._ask(lambda its, name=name: its.client.aio.files.delete(name=name))  # type: ignore[misc]

    async def aclose(self) -> None:
        """Closes the client."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()

    def _model(self, model: str | None, *, retired: bool = False) -> ImageModel:
        """``retired``: it may be shut down meanwhile."""
        name = model or self._default_model
        return self._models.find(name) if retired else self._models.get(name, self._clock.now().date())

    async def _connected(self) -> Connection:
        if self._access.on_vertex:
            raise UsageError(
                "the Batch API of Vertex AI is another one, which perkie does not speak",
                hint="Use a key of the developer API (GEMINI_API_KEY), or --via online.",
            )
        async with self._connecting:
            if self._connection is None:
                warnings.filterwarnings("ignore", message=".*is not a valid JobState")  # told apart here
                self._connection = await self._io.run(connect, self._access)
            return self._connection

    async def _ask(self, call: Callable[[Connection], Awaitable[T]], seconds: float | None = None) -> T:
        """The result of a call. The SDK's own error may contain the key and must not become our context."""
        connection = await self._connected()
        limit = ANSWER_WITHIN if seconds is None else seconds
        try:
            async with asyncio.timeout(limit) as waiting:
                return await call(connection)
        except PerkieError:
            raise
        except Exception as error:  # noqa: BLE001 -- told apart by class
            if waiting.expired():
                failure: PerkieError = UpstreamTimeout(f"gemini did not answer within {format_duration(limit)}")
            else:
                failure, _ = fault(error, connection.scrubbed, self._clock.now())
        raise failure


class _Bounded:
    """Writes to a file up to a limit."""

    def __init__(self, target: BinaryIO, most: int) -> None:
        self._target = target
        self._left = most

    def write(self, piece: bytes) -> int:
        """Raises: BadAnswer, DiskFull, UnwritableFile."""
        self._left -= len(piece)
        if self._left < 0:
            raise BadAnswer(f"the file of answers is over {format_size(self._target.tell())}")
        try:
            return self._target.write(piece)
        except OSError as error:
            raise unwritable(self._target.name, error, hint="TMPDIR names another place.") from error


def _request(asked: Question, photo: bytes) -> Mapping[str, Any]:
    """A question as JSON: the SDK has no way to write one line of a file."""
    (text, _), config = asked.contents, asked.config
    shape = config.image_config
    assert shape is not None, "each question has one"
    parts = [
        {"text": getattr(text, "text")},  # noqa: B009 -- a union of a dozen types
        {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(photo).decode()}},
    ]
    return {
        "contents": [{"role": "user", "parts": parts}],
        "generation_config": {
            "responseModalities": config.response_modalities,
            "imageConfig": shape.model_dump(mode="json", by_alias=True, exclude_none=True),
        },
    }


def _answer(row: Mapping[str, Any], connection: Connection, now: datetime) -> GeminiAnswer:
    """Reads a line. Raises: the error of one that failed."""
    from google.genai.errors import APIError

    response, error = row.get("response"), row.get("error")
    if isinstance(response, dict):
        return read_parsed(response, connection.scrubbed)
    if not isinstance(error, dict):
        raise BadAnswer("gemini sent an answer that cannot be read")
    failure, _ = fault(APIError(_status(error.get("code")), {"error": error}), connection.scrubbed, now)
    raise failure


def _status(code: object) -> int:
    """The HTTP status of an error, whose code may be one of gRPC's (google.rpc.Code)."""
    if not isinstance(code, int):
        return 500
    return code if 400 <= code < 600 else _OF_RPC.get(code, 500)


def _job(found: BatchJob) -> UpstreamJob:
    said = "" if found.state is None else found.state.name.removeprefix("JOB_STATE_").removeprefix("BATCH_STATE_")
    answers = None if found.dest is None else found.dest.file_name
    state = _STATES.get(said, JobState.UNKNOWN)
    return UpstreamJob(_named(found.name), found.display_name or "", state, said.lower(), answers)


def _named(name: str | None) -> str:
    if not name:
        raise BadAnswer("gemini sent an answer without a name")
    return name
