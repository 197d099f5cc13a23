"""The routes: generateContent and the model list, v1, v1beta and Vertex AI; and the admin API under ``/_emulator``."""

from __future__ import annotations

import base64
import random
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.money.price_list import SIDES, ImageModel, ModelBook
from perkie_cli.emulators.fault_plan import PLAN, Faults, answer_plan
from perkie_cli.emulators.gemini import answers
from perkie_cli.emulators.gemini.faults import Call, answer_with
from perkie_cli.emulators.gemini.painter import MEDIA_TYPE, Painter
from perkie_cli.emulators.gemini.plan import Plan
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.ports import Clock

KEPT_CALLS = 10_000
RATIOS = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
_API = re.compile(r"/(?:v1|v1beta)/models(?:/([^/:]+))?(:generateContent)?")
_VERTEX = re.compile(
    r"/(?:v1|v1beta1)/projects/[^/]+/locations/[^/]+/publishers/google/models/([^/:]+)(:generateContent)"
)


class Refused(Exception):
    """The request itself is wrong."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asked for."""

    model: ImageModel
    prompt: str
    photo: bytes
    ratio: float
    image_size: str


@dataclass(frozen=True, slots=True)
class Record:
    """One call as the admin API lists it; ``at`` in seconds since the start."""

    number: int
    at: float
    model: str
    prompt: str
    image_size: str
    ratio: float
    photo_bytes: int
    fault: str | None


class GeminiEmulator:
    """One emulated upstream. Randomness comes from ``seed``, so that the same calls meet the same faults."""

    def __init__(
        self,
        painter: Painter,
        models: ModelBook,
        clock: Clock,
        *,
        plan: Plan | None = None,
        seed: int = 0,
        api_key: str | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.calls: deque[Record] = deque(maxlen=KEPT_CALLS)
        self.counts: Counter[str] = Counter()
        self.server = HttpServer(self._handle, host, port)
        self._painter = painter
        self._models = models
        self._clock = clock
        self._seed = seed
        self._api_key = api_key
        self._plan = plan or Plan()
        self.reset()

    @property
    def url(self) -> str:
        """What ``GOOGLE_GEMINI_BASE_URL`` is set to."""
        return self.server.url

    @property
    def total(self) -> int:
        """Calls of generateContent since the start or the last reset."""
        return self._number

    @property
    def plan(self) -> Plan:
        """What is done to calls; another one counts from the next call on."""
        return self._plan

    @plan.setter
    def plan(self, plan: Plan) -> None:
        self._plan = plan
        self._faults.set(plan.faults)

    def reset(self) -> None:
        """Begins anew: call numbers, the time of the plan, randomness and records."""
        self._rng = random.Random(self._seed)  # noqa: S311 -- faults, no secrets
        self._faults = Faults(self._clock, self._plan.faults, self._seed)
        self._number = 0
        self.calls.clear()
        self.counts.clear()

    async def start(self) -> None:
        """Raises: OSError, when the address cannot be had."""
        await self.server.start()

    async def aclose(self) -> None:
        """Drops every connection."""
        await self.server.aclose()

    # ---------------------------------------------------------------- routes

    async def _handle(self, request: Request, wire: Wire) -> Response | None:
        if request.path.startswith("/_emulator/"):
            return self._admin(request)
        vertex = _VERTEX.fullmatch(request.path)
        match = vertex or _API.fullmatch(request.path)
        if match is None:
            return answers.error(404, f"{request.path} is not emulated.")
        try:
            self._check_key(request, vertex is not None)
            if match[2]:
                if request.method != "POST":
                    return answers.error(404, "Use POST.")
                return await self._generate(self._asked(match[1], request), wire)
            return self._list(match[1])
        except Refused as refused:
            return refused.response

    def _admin(self, request: Request) -> Response:
        """``PUT plan`` sets the fault plan, ``DELETE plan`` clears it, ``POST reset`` begins anew, ``GET`` tells."""
        what = (request.method, request.path.removeprefix("/_emulator/"))
        if request.path == PLAN and request.method in ("PUT", "DELETE"):
            refusal = answer_plan(request, self._replace_plan)
            if refusal is not None:
                return refusal
        elif what == ("POST", "reset"):
            self.reset()
        elif what == ("GET", "calls"):
            return Response.of([asdict(call) for call in self.calls])
        elif what != ("GET", "state"):
            return Response.of({"error": f"{request.method} {request.path} is no admin call"}, 404)
        state = {"calls": self._number, "elapsed": self._faults.elapsed, "faults": dict(self.counts)}
        return Response.of({**state, "plan": len(self.plan.faults)})

    def _replace_plan(self, table: object) -> None:
        self.plan = Plan.parse(table)

    def _check_key(self, request: Request, vertex: bool) -> None:
        if vertex:
            if not request.headers.get("authorization", "").startswith("Bearer "):
                raise Refused(answers.error(401, "Request is missing required authentication credential."))
            return
        key = request.headers.get("x-goog-api-key") or request.query.get("key")
        if not key:
            raise Refused(answers.error(403, "Method doesn't allow unregistered callers."))
        if self._api_key is not None and key != self._api_key:
            raise Refused(answers.wrong_key(key))

    def _living(self) -> Mapping[str, ImageModel]:
        today = self._clock.now().date()
        return {model.id: model for model in self._models.all() if not model.retired(today)}

    def _list(self, wanted: str | None) -> Response:
        rows = [
            {
                "name": f"models/{model.id}",
                "displayName": model.title,
                "supportedGenerationMethods": ["generateContent"],
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

    def _asked(self, model_id: str, request: Request) -> Asked:
        model = self._living().get(model_id)
        if model is None:
            raise Refused(_no_model(model_id))
        try:
            if float(request.headers.get("x-server-timeout", "inf")) < 10:
                message = "Manually set deadline is too short. Minimum allowed deadline is 10s."
                raise Refused(answers.error(400, message))
            return _read(model, request.json())
        except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
            raise Refused(answers.error(400, f"Invalid request: {type(error).__name__}: {error}")) from error

    async def _generate(self, asked: Asked, wire: Wire) -> Response | None:
        self._number += 1
        fault = self._faults.choose(lambda fault: fault.fits(self._number, asked.model.id))
        name = fault.kind.value if fault is not None else None
        self.counts[name or "none"] += 1
        self.calls.append(
            Record(
                self._number,
                self._faults.elapsed,
                asked.model.id,
                asked.prompt,
                asked.image_size,
                asked.ratio,
                len(asked.photo),
                name,
            )
        )
        counts = answers.usage(asked.prompt, asked.model.image_tokens[asked.image_size])
        latency = self.plan.latency.draw(self._rng)
        if fault is None:
            return await self._draw(asked, counts, latency)
        spent = answers.usage(asked.prompt, 0)
        call = Call(asked.model.id, counts, spent, lambda: self._draw(asked, counts, latency), wire)
        return await answer_with(fault, call, self._clock, self._rng)

    async def _draw(self, asked: Asked, counts: Mapping[str, Any], latency: float) -> Response:
        if latency:
            await self._clock.sleep(latency)
        try:
            data = await self._painter.paint(asked.photo, asked.prompt, asked.ratio, SIDES[asked.image_size])
        except BadInput:
            return answers.error(400, "Unable to process input image.")
        return Response.of(answers.picture(data, MEDIA_TYPE, counts, asked.model.id))


def _no_model(model_id: str) -> Response:
    return answers.error(404, f"models/{model_id} is not found, or is not supported for generateContent.")


def _read(model: ImageModel, body: Any) -> Asked:
    """Raises: Refused, or what comes of a body of another shape."""
    parts = body["contents"][-1]["parts"]
    prompt = " ".join(part["text"] for part in parts if "text" in part)
    photos = [part["inlineData"]["data"] for part in parts if "inlineData" in part]
    shape = body.get("generationConfig", {}).get("imageConfig", {})
    ratio, image_size = shape.get("aspectRatio", "1:1"), shape.get("imageSize", "1K")
    if ratio not in RATIOS or image_size not in model.image_tokens:
        raise ValueError(f"aspectRatio {ratio!r} or imageSize {image_size!r} is not supported by {model.id}")
    if not prompt or not photos:
        raise ValueError("a prompt and a photo are needed")
    across, down = (int(side) for side in ratio.split(":"))
    photo = base64.b64decode(photos[0].replace("-", "+").replace("_", "/") + "==")  # either alphabet, padded or not
    return Asked(model, prompt, photo, across / down, image_size)
