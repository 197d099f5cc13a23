"""The routes: generateContent whole, streamed and in batches, countTokens, files and the model list; the admin API
under ``/_emulator``.

The Gemini API as v1, v1beta and v1alpha, Vertex AI with a project, or by a key alone (express mode).
"""

from __future__ import annotations

import random
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Any

from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.price_list import SIDES, ImageModel, ModelCatalogue
from perkie_cli.emulators.admin import answer_shared, no_admin_call
from perkie_cli.emulators.fault_plan import Faults
from perkie_cli.emulators.gemini import answers
from perkie_cli.emulators.gemini.batches import Batches
from perkie_cli.emulators.gemini.faults import FaultyCall, answer_with
from perkie_cli.emulators.gemini.files import Files
from perkie_cli.emulators.gemini.painter import MEDIA_TYPE, Painter
from perkie_cli.emulators.gemini.plan import GeminiFault, GeminiPlan
from perkie_cli.emulators.gemini.request import DrawRequest, read_draw_request, words_and_pictures
from perkie_cli.emulators.gemini.stream import streamed
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.skew import SkewedClock
from perkie_cli.ports import Clock

KEPT_CALLS = 10_000
_METHODS = "generateContent|streamGenerateContent|countTokens"
_API = re.compile(rf"/(?:v1|v1beta|v1alpha)/models(?:/([^/:]+))?(?::({_METHODS}))?")
# With a project, or by a key alone (express mode).
_VERTEX = re.compile(
    rf"/(?:v1|v1beta1)/(projects/[^/]+/locations/[^/]+/)?publishers/google/models/([^/:]+):({_METHODS})"
)


class InvalidCall(Exception):
    """The request itself is invalid."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@frozen
class CallRecord:
    """One call as the admin API lists it; ``at`` in seconds since the start."""

    number: int
    at: float
    model: str
    prompt: str
    image_size: str
    ratio: float | None
    photo_bytes: int
    fault: str | None


class GeminiEmulator:
    """One emulated upstream. Randomness comes from ``seed``, so that the same calls get the same faults."""

    def __init__(
        self,
        painter: Painter,
        models: ModelCatalogue,
        clock: Clock,
        *,
        plan: GeminiPlan | None = None,
        seed: int = 0,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.calls: deque[CallRecord] = deque(maxlen=KEPT_CALLS)
        self.counts: Counter[str] = Counter()
        self.server = HttpServer(self._handle, host, port)
        self._painter = painter
        self._models = models
        self._clock = SkewedClock(clock)
        self._seed = seed
        self._api_key = api_key
        self._plan = plan or GeminiPlan()
        self._faults = Faults(self._clock, self._plan.faults, seed)
        self.files = Files(self._clock)
        self.batches = Batches(self.files, self._clock, self._faults, self._inside, self._delay)
        self.reset()

    @property
    def url(self) -> str:
        """The value for ``GOOGLE_GEMINI_BASE_URL``."""
        return self.server.url

    @property
    def total(self) -> int:
        """Calls of generateContent since the start or the last reset, those inside of jobs included."""
        return self._number

    @property
    def plan(self) -> GeminiPlan:
        """The fault plan in force; a new one applies from the next call on."""
        return self._plan if self._faults.lease.runs else GeminiPlan()

    @plan.setter
    def plan(self, plan: GeminiPlan) -> None:
        self._set_plan(plan)

    def _set_plan(self, plan: GeminiPlan, lease: float | None = None) -> None:
        self._plan = plan
        self._faults.set(plan.faults, lease)

    def reset(self) -> None:
        """Resets call numbers, the plan's time, randomness and records."""
        self._rng = random.Random(self._seed)  # noqa: S311 -- faults, no secrets
        self._faults.restart(self._seed)
        self._number = 0
        self.calls.clear()
        self.counts.clear()
        self.files.clear()
        self.batches.clear()

    async def start(self) -> None:
        """Starts the server. Raises: OSError when the address cannot be used."""
        await self.server.start()

    async def aclose(self) -> None:
        """Drops every connection, and ends every job."""
        self.batches.clear()
        await self.server.aclose()

    # ---------------------------------------------------------------- routes

    async def _handle(self, request: Request, wire: Wire) -> Response | None:
        if request.path.startswith("/_emulator/"):
            return self._admin(request)
        try:
            return await self._api(request, wire)
        except InvalidCall as refused:
            return _form(request)(refused.response)

    async def _api(self, request: Request, wire: Wire) -> Response | None:
        vertex, match = _VERTEX.fullmatch(request.path), _API.fullmatch(request.path)
        if vertex is not None:
            project, model, method = vertex.groups()
        elif match is not None:
            project, (model, method) = None, match.groups()
        else:
            return self._files_and_jobs(request, wire)
        self._check_key(request, project is not None)
        if method is None:
            return self._list(model)
        if request.method != "POST":
            raise InvalidCall(answers.error(404, "Use POST."))
        if method == "countTokens":
            return self._count(model, request)
        form = _form(request)
        answer = await self._generate(self._asked(model, request), wire, form)
        return None if answer is None else form(answer)

    def _files_and_jobs(self, request: Request, wire: Wire) -> Response | None:
        if not self.files.is_upload(request):
            self._check_key(request, vertex=False)
        with _refusing():
            answer = self.batches.check_download(request) or self.files.answer(request)
            if answer is not None:
                return answer
            if self.batches.serves(request):
                return self.batches.answer(request, wire, self._model)
        raise InvalidCall(answers.error(404, f"{request.path} is not emulated."))

    def _admin(self, request: Request) -> Response:
        """``plan`` and ``clock`` as in all emulators; ``POST reset`` resets state, ``GET`` shows it."""
        shared = answer_shared(request, self._faults, self._clock, self._replace_plan, self._latency)
        if shared is not None:
            return shared
        what = (request.method, request.path.removeprefix("/_emulator/"))
        if what == ("POST", "reset"):
            self.reset()
        elif what == ("GET", "calls"):
            return Response.of([asdict(call) for call in self.calls])
        elif what != ("GET", "state"):
            return no_admin_call(request)
        state: dict[str, Any] = {"calls": self._number, "jobs": self.batches.total}
        state |= {"elapsed": self._faults.elapsed, "faults": dict(self.counts)}
        return Response.of({**state, "plan": len(self.plan.faults)})

    def _replace_plan(self, table: object, lease: float | None) -> None:
        self._set_plan(GeminiPlan.parse(table), lease)

    def _latency(self) -> Mapping[str, Any]:
        return {"latency": asdict(self.plan.latency)}

    def _check_key(self, request: Request, vertex: bool) -> None:
        if vertex:
            if not request.headers.get("authorization", "").startswith("Bearer "):
                raise InvalidCall(answers.error(401, "Request is missing required authentication credential."))
            return
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key:
            raise InvalidCall(answers.error(403, "Method doesn't allow unregistered callers."))
        if self._api_key is not None and key != self._api_key:
            raise InvalidCall(answers.wrong_key(key))

    def _living(self) -> Mapping[str, ImageModel]:
        today = self._clock.now().date()
        return {model.id: model for model in self._models.all() if not model.retired(today)}

    def _list(self, wanted: str | None) -> Response:
        rows = [
            {
                "name": f"models/{model.id}",
                "displayName": model.title,
                "supportedGenerationMethods": ["generateContent", "countTokens", "batchGenerateContent"],
                "inputTokenLimit": 65_536,
                "outputTokenLimit": 32_768,
            }
            for model in self._living().values()
        ]
        if wanted is None:
            return Response.of({"models": rows})
        row = next((row for row in rows if row["name"] == f"models/{wanted}"), None)
        return _no_model(wanted) if row is None else Response.of(row)

    # ---------------------------------------------------------------- generateContent

    def _model(self, model_id: str) -> ImageModel:
        model = self._living().get(model_id)
        if model is None:
            raise InvalidCall(_no_model(model_id))
        return model

    def _count(self, model_id: str, request: Request) -> Response:
        self._model(model_id)
        with _refusing():
            total, details = answers.prompt_tokens(*words_and_pictures(request.json()))
        return Response.of({"totalTokens": total, "promptTokensDetails": details})

    def _asked(self, model_id: str, request: Request) -> DrawRequest:
        model = self._model(model_id)
        with _refusing():
            if float(request.headers.get("x-server-timeout", "inf")) < 10:
                raise ValueError("Manually set deadline is too short. Minimum allowed deadline is 10s.")
            return read_draw_request(model, request.json())

    async def _generate(self, wanted: DrawRequest, wire: Wire, form: Callable[[Response], Response]) -> Response | None:
        """Answers ``generateContent``. ``form`` converts the answer for the wire, where some faults occur."""
        fault = self._noted(wanted, inside=False)
        call = self._call(wanted, wire, form, self.plan.latency.draw(self._rng))
        return await call.good() if fault is None else await answer_with(fault, call, self._clock, self._rng)

    async def _inside(self, model_id: str, body: object) -> Response:
        """Answers one request of a job, with the faults that need no connection."""
        try:
            with _refusing():
                wanted = read_draw_request(self._model(model_id), body)
        except InvalidCall as refused:
            return refused.response
        fault = self._noted(wanted, inside=True)
        call = self._call(wanted, None, lambda response: response, 0.0)
        answer = await call.good() if fault is None else await answer_with(fault, call, self._clock, self._rng)
        assert answer is not None, "faults of the connection are left out"
        return answer

    async def _delay(self) -> None:
        """A job takes as long as one call."""
        if latency := self.plan.latency.draw(self._rng):
            await self._clock.sleep(latency)

    def _noted(self, wanted: DrawRequest, *, inside: bool) -> GeminiFault | None:
        """Counts and records a call; its fault, if any."""
        self._number += 1
        fault = self._faults.choose(lambda fault: fault.fits(self._number, wanted.model.id, inside=inside))
        name = fault.kind.value if fault is not None else None
        self.counts[name or "none"] += 1
        self.calls.append(
            CallRecord(
                self._number,
                self._faults.elapsed,
                wanted.model.id,
                wanted.prompt,
                wanted.image_size,
                wanted.ratio,
                len(wanted.photo or b""),
                name,
            )
        )
        return fault

    def _call(
        self, wanted: DrawRequest, wire: Wire | None, form: Callable[[Response], Response], latency: float
    ) -> FaultyCall:
        said = f"{wanted.history}{wanted.prompt}"
        counts = answers.usage(said, wanted.photos, wanted.model.image_tokens[wanted.image_size])
        spent = answers.usage(said, wanted.photos, 0)
        return FaultyCall(wanted.model.id, counts, spent, lambda: self._draw(wanted, counts, latency), wire, form)

    async def _draw(self, wanted: DrawRequest, counts: Mapping[str, Any], latency: float) -> Response:
        if latency:
            await self._clock.sleep(latency)
        try:
            data = await self._painter.paint(wanted.photo, wanted.prompt, wanted.ratio, SIDES[wanted.image_size])
        except BadInput:
            return answers.error(400, "Unable to process input image.")
        return Response.of(answers.picture(data, MEDIA_TYPE, counts, wanted.model.id))


def _form(request: Request) -> Callable[[Response], Response]:
    """The form of the answer: whole, or streamed for the streaming call."""
    if not request.path.endswith(":streamGenerateContent"):
        return lambda response: response
    return partial(streamed, sse=request.query.get("alt") == "sse")


def _no_model(model_id: str) -> Response:
    return answers.error(404, f"models/{model_id} is not found, or is not supported for generateContent.")


@contextmanager
def _refusing() -> Iterator[None]:
    """Turns errors from reading a malformed body into InvalidCall."""
    try:
        yield
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise InvalidCall(answers.error(400, f"Invalid request: {type(error).__name__}: {error}")) from error
