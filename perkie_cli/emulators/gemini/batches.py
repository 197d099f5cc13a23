"""The Batch API: many ``generateContent`` in one job (https://ai.google.dev/gemini-api/docs/batch-api), good and bad.

A job's requests come inline or in a JSON Lines file, and its answers go the same way. Each request is answered like a
call of its own. Jobs fail as planned: see ``plan.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from perkie_cli.emulators.fault_plan import Faults
from perkie_cli.emulators.gemini.answers import Json, error
from perkie_cli.emulators.gemini.files import Files, paged, time_text
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiFaultKind
from perkie_cli.emulators.http_server import Request, Response, Wire
from perkie_cli.ports import Clock

_VERSION = "(?:v1|v1beta|v1alpha)"
_CREATE = re.compile(rf"/{_VERSION}/models/([^/:]+):batchGenerateContent")
_BATCHES = re.compile(rf"/{_VERSION}/batches(?:/([^/:]+))?(:cancel)?")
_TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
_OPEN = ("PENDING", "RUNNING")
STRANGE = "AWAITING_REVIEW"  # a state that no client knows

# Answers one request to that model; ``delay`` waits as long as one call takes.
Answer = Callable[[str, object], Awaitable[Response]]
Delay = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Job:
    """One job. ``answers``: a line for each request that was answered; ``file``: they go to a file."""

    number: int
    name: str
    model: str
    display_name: str
    requests: Sequence[Json]
    file: bool
    created: datetime
    updated: datetime
    state: str = "PENDING"
    answers: list[Json] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    @property
    def answers_file(self) -> str:
        """The name of the file of answers."""
        return f"files/batch-{self.name.partition('/')[2]}"


class Batches:
    """The jobs of one emulator."""

    def __init__(self, files: Files, clock: Clock, faults: Faults[GeminiFault], answer: Answer, delay: Delay) -> None:
        self._files = files
        self._clock = clock
        self._faults = faults
        self._answer = answer
        self._delay = delay
        self._number = 0
        self.jobs: dict[str, Job] = {}

    @property
    def total(self) -> int:
        """Jobs since the start or the last reset."""
        return self._number

    def clear(self) -> None:
        """Ends and forgets all jobs."""
        for job in self.jobs.values():
            if job.task is not None:
                job.task.cancel()
        self.jobs.clear()
        self._number = 0

    @staticmethod
    def serves(request: Request) -> bool:
        """Whether it is a call of the Batch API."""
        create = request.method == "POST" and _CREATE.fullmatch(request.path) is not None
        return create or _BATCHES.fullmatch(request.path) is not None

    def answer(self, request: Request, wire: Wire, check_model: Callable[[str], object]) -> Response | None:
        """The answer to a call that is served, None if a fault has broken the connection.

        Raises: what ``check_model`` raises; ValueError and the like for a malformed call.
        """
        if (create := _CREATE.fullmatch(request.path)) is not None:
            check_model(create[1])
            return self._create(create[1], request.json_object(), wire)
        named = _BATCHES.fullmatch(request.path)
        assert named is not None, "a call that is served"
        id_, cancel = named.groups()
        if id_ is None:
            rows = [self._shown(job, whole=False) for job in reversed(self.jobs.values())]
            return Response.of(paged(rows, "operations", request, most=100))
        job = self.jobs.get(f"batches/{id_}")
        if job is None:
            return error(404, f"Requested entity was not found: batches/{id_}.")
        if cancel:
            return self._cancel(job)
        if request.method == "DELETE":
            del self.jobs[job.name]
            return Response.of({"name": job.name, "done": True})
        return self._look(job)

    def check_download(self, request: Request) -> Response | None:
        """The failure of a download, if the answers of that job cannot be fetched."""
        job = next(
            (each for each in self.jobs.values() if request.path.endswith(f"{each.answers_file}:download")), None
        )
        if job is not None and self._meets(job, GeminiFaultKind.BATCH_UNFETCHED, "download"):
            return error(503, "The service is currently unavailable.")
        return None

    # ---------------------------------------------------------------- calls

    def _create(self, model: str, body: Json, wire: Wire) -> Response | None:
        batch = body["batch"]
        source = batch["inputConfig"]
        requests = self._lines(source["fileName"]) if "fileName" in source else source["requests"]["requests"]
        self._number += 1
        now = self._clock.now()
        job = Job(
            self._number,
            f"batches/{secrets.token_hex(10)}",
            model,
            batch.get("displayName", ""),
            requests,
            "fileName" in source,
            now,
            now,
        )
        if (refused := self._fault(job, GeminiFaultKind.BATCH_REFUSED)) is not None:
            return error(refused.status, "The emulator was told to refuse this batch.")
        self.jobs[job.name] = job
        job.task = asyncio.create_task(self._work(job))
        if self._fault(job, GeminiFaultKind.BATCH_LOST) is not None:
            wire.reset()
            return None
        return Response.of(self._shown(job))

    def _lines(self, name: str) -> list[Json]:
        file = self._files.get(name)
        if file is None:
            raise ValueError(f"{name} does not exist.")
        return [json.loads(line) for line in file.data.splitlines() if line.strip()]

    def _cancel(self, job: Job) -> Response:
        if self._state(job) in (*_OPEN, STRANGE):
            if job.task is not None:
                job.task.cancel()
            stuck = self._fault(job, GeminiFaultKind.BATCH_STUCK)
            done = len(job.answers) // 2 if stuck is not None and stuck.how == "half" else 0
            job.answers = job.answers[:done]
            self._end(job, "CANCELLED")
        return Response.of({})

    def _look(self, job: Job) -> Response:
        if job.state not in _OPEN and self._meets(job, GeminiFaultKind.BATCH_UNFETCHED, "get"):
            return error(503, "The service is currently unavailable.")
        return Response.of(self._shown(job))

    # ---------------------------------------------------------------- work

    async def _work(self, job: Job) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._delay()
            fault = self._fault(
                job, GeminiFaultKind.BATCH_EXPIRED, GeminiFaultKind.BATCH_FAILED, GeminiFaultKind.BATCH_PARTIAL
            )
            kind = None if fault is None else fault.kind
            if kind in (GeminiFaultKind.BATCH_EXPIRED, GeminiFaultKind.BATCH_FAILED):
                self._end(job, "EXPIRED" if kind is GeminiFaultKind.BATCH_EXPIRED else "FAILED")
                return
            job.state = "RUNNING"
            count = len(job.requests) // 2 if kind is GeminiFaultKind.BATCH_PARTIAL else len(job.requests)
            for row in job.requests[:count]:
                job.answers.insert(0, await self._answered(job.model, row))  # a file's order is not that of requests
            self._end(job, "PARTIALLY_SUCCEEDED" if fault is not None and fault.how == "state" else "SUCCEEDED")

    async def _answered(self, model: str, row: Json) -> Json:
        response = await self._answer(model, row.get("request"))
        named: Json = {name: value for name, value in row.items() if name in ("key", "metadata")}
        try:
            body = json.loads(response.body)
        except ValueError:
            return {**named, "response": response.body.decode("utf-8", "replace")}
        return {**named, **(body if response.status != 200 else {"response": body})}

    def _end(self, job: Job, state: str) -> None:
        job.state, job.updated = state, self._clock.now()
        if job.file:
            lines = [json.dumps(each) for each in job.answers]
            self._files.put(job.answers_file, "\n".join([*lines, ""]).encode())

    # ---------------------------------------------------------------- faults

    def _fault(self, job: Job, *kinds: GeminiFaultKind) -> GeminiFault | None:
        return self._faults.choose(lambda fault: fault.kind in kinds and fault.concerns(job.number, job.model))

    def _meets(self, job: Job, kind: GeminiFaultKind, how: str) -> bool:
        fits = lambda fault: fault.kind is kind and fault.concerns(job.number, job.model) and fault.how in (None, how)  # noqa: E731
        return self._faults.choose(fits) is not None

    def _state(self, job: Job) -> str:
        """Its state as it is shown: a stuck job seems to wait, also after its end, as long as the fault lasts."""
        if job.state != "CANCELLED" and self._fault(job, GeminiFaultKind.BATCH_STUCK) is not None:
            return "PENDING"
        if job.state != "CANCELLED" and self._fault(job, GeminiFaultKind.BATCH_UNKNOWN) is not None:
            return STRANGE
        return job.state

    # ---------------------------------------------------------------- shapes

    def _shown(self, job: Job, *, whole: bool = True) -> Json:
        """A long-running operation; the list leaves inline answers out."""
        state = self._state(job)
        counts = {"requestCount": len(job.requests), "successfulRequestCount": len(job.answers)}
        metadata: Json = {
            "@type": _TYPE,
            "name": job.name,
            "model": f"models/{job.model}",
            "displayName": job.display_name,
            "createTime": time_text(job.created),
            "updateTime": time_text(job.updated),
            "batchStats": {name: str(count) for name, count in counts.items()},
            "state": f"BATCH_STATE_{state}",
        }
        shown: Json = {"name": job.name, "metadata": metadata}
        if state in (*_OPEN, STRANGE):
            return shown
        metadata["endTime"] = time_text(job.updated)
        if state == "FAILED":
            return {**shown, "done": True, "error": {"code": 13, "message": "The emulator was told to fail."}}
        output = self._output(job, whole=whole)
        if output:
            metadata["output"] = output
        return {**shown, "done": True, "response": {"@type": _TYPE, **output}}

    def _output(self, job: Job, *, whole: bool) -> Mapping[str, Any]:
        if job.file:
            return {"responsesFile": job.answers_file} if job.answers else {}
        return {"inlinedResponses": {"inlinedResponses": job.answers[::-1]}} if whole else {}
