"""The style engine ``gemini``: one call draws one picture. The guard adds retries and limits."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable
from decimal import Decimal
from typing import TypeVar

from perkie_cli.domain.errors import PerkieError, UnexpectedAnswer, UpstreamRefused, WrongCredentials
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.price_list import SIDES, ImageModel, ModelCatalogue
from perkie_cli.domain.money.spend import Purchase, Usage
from perkie_cli.domain.picture import check_size
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.domain.pictures.style import Style
from perkie_cli.engines.gemini import question
from perkie_cli.engines.gemini.answer import GeminiAnswer, read
from perkie_cli.engines.gemini.bill import usage_of
from perkie_cli.engines.gemini.client import Access, Connection, check, connect, current_key
from perkie_cli.engines.gemini.faults import fault
from perkie_cli.engines.gemini.picture import RequestedPicture, take
from perkie_cli.engines.gemini.question import Question
from perkie_cli.engines.meter import Bill, Meter
from perkie_cli.ports import Clock, Rendering, RenderJob, Workers

T = TypeVar("T")


@frozen
class Failure:
    """A call without an answer."""

    error: PerkieError
    maybe_billed: bool


class GeminiEngine:
    """``ports.PricedEngine`` over google-genai. The client is created at the first call."""

    name = "gemini"

    def __init__(
        self,
        access: Access,
        models: ModelCatalogue,
        *,
        default_model: str,
        meter: Meter,
        workers: Workers,
        io: Workers,
        clock: Clock,
    ) -> None:
        self._access = access
        self._models = models
        self._default_model = default_model
        self._meter = meter
        self._workers = workers
        self._io = io
        self._clock = clock
        self._connecting: asyncio.Future[Connection] | None = None
        self._replaced: list[Connection] = []

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        """The recipe. It includes the prompts, so that an edited style never serves an old picture.

        The configured model has a recipe even after its shutdown: its pictures are still served from the cache.

        Raises: RetiredModel for a model requested by name; InvalidParameter.
        """
        check_size(size)
        chosen = self._models.find(self._default_model) if model is None else self._model(model)
        prompts = hashlib.sha256(f"{style.prompt}\0{style.safe_prompt}".encode()).hexdigest()[:12]
        return Recipe(self.name, chosen.id, style.prompt_version, {"size": size, "prompts": prompts})

    def price(self, size: int, model: str | None = None) -> Decimal:
        """The estimated cost in dollars of one picture."""
        chosen = self._model(model)
        return chosen.price(chosen.image_size(size))

    async def render(self, job: RenderJob) -> Rendering:
        """Makes one call. Raises: as the port; BudgetExceeded or DailyCapReached before anything is sent.

        Unforeseen exceptions become UnexpectedAnswer, so that the ladder can still serve the customer.
        """
        try:
            return await self._render(job)
        except PerkieError:
            raise
        except Exception as error:
            raise UnexpectedAnswer(f"a picture by gemini failed unexpectedly ({type(error).__name__})") from error

    async def _render(self, job: RenderJob) -> Rendering:
        model = self._model(job.model)
        connection = await self._connected()
        photo = await self._workers.run(question.reference, job.raster, model.reference_side)
        asked = question.ask(job, model, photo)
        purchase = Purchase(model.id, job.style.id, job.owner)
        async with self._meter.call(purchase, model.price(asked.image_size), job.receipt) as bill:
            async with job.sending():
                bill.sent()
                sent = _succeeded(await self._outcome(connection, self._sent(connection, model, asked)), bill)
            result = _succeeded(await self._outcome(connection, self._read(sent, connection)), bill)
            bill.drawn = bool(result.pictures)
            bill.usage = usage_of(result.usage, model, asked.image_size, drawn=bill.drawn)
        if not result.pictures:
            raise result.absence
        wanted = RequestedPicture(job.raster, job.size, SIDES[asked.image_size], asked.ratio)
        taken = await self._workers.run(take, result.pictures, wanted)
        return Rendering(taken.raster, self.name, model.id, bill.usage, taken.notes, taken.paid)

    async def _sent(self, connection: Connection, model: ImageModel, asked: Question) -> str | None:
        generate = connection.client.aio.models.generate_content
        response = await generate(model=model.id, contents=asked.contents, config=asked.config)
        raw = response.sdk_http_response
        return raw.body if raw is not None else None

    async def _read(self, body: str | None, connection: Connection) -> GeminiAnswer:
        return await self._workers.run(read, body, connection.scrubbed)

    async def check_settings(self) -> None:
        """Checks the model, the key and the way to the API, without a client and without a call."""
        self._model(None)
        await self._io.run(check, self._access)

    async def warm_up(self) -> None:
        """Imports the SDK and creates the client."""
        await self._connected()

    async def reach(self) -> None:
        """Asks for the configured model. Elsewhere than at Google's own Gemini API any answer will do: Vertex AI has
        other permissions for that question, and a gateway may not know it.
        """
        connection = await self._connected()
        result = await self._outcome(connection, connection.client.aio.models.get(model=self._default_model))
        if not isinstance(result, Failure):
            return
        asked_google = not connection.vertex and self._access.base_url is None
        if asked_google or not isinstance(result.error, UpstreamRefused):
            raise result.error

    async def live_models(self) -> set[str]:
        """Ids of the models that the API lists."""
        connection = await self._connected()

        async def ids() -> set[str]:
            pager = await connection.client.aio.models.list()
            return {(model.name or "").rpartition("/")[2] async for model in pager}

        result = await self._outcome(connection, ids())
        if isinstance(result, Failure):
            raise result.error
        return result

    async def aclose(self) -> None:
        """Frees connections."""
        for replaced in self._replaced:
            await replaced.aclose()
        connecting, self._connecting = self._connecting, None
        if connecting is not None and connecting.done():
            await connecting.result().aclose()
        elif connecting is not None:
            connecting.cancel()

    def _model(self, model: str | None) -> ImageModel:
        return self._models.get(model or self._default_model, self._clock.now().date())

    async def _connected(self) -> Connection:
        """The connection, made once for all waiters. A cancelled waiter leaves it to the others: fetching the key may
        hang, and must not block one thread per waiter.
        """
        if self._connecting is None:
            self._connecting = asyncio.ensure_future(self._io.run(connect, self._access))
            self._connecting.add_done_callback(self._forget_failure)
        return await asyncio.shield(self._connecting)

    def _forget_failure(self, connecting: asyncio.Future[Connection]) -> None:
        if connecting.cancelled() or connecting.exception() is not None:
            self._connecting = None  # the next call tries again

    async def _outcome(self, connection: Connection, call: Awaitable[T]) -> T | Failure:
        """Returns failures instead of raising: the SDK's error may contain the key and must not become our context."""
        try:
            return await call
        except Exception as error:  # noqa: BLE001 -- told apart by class
            failure = Failure(*fault(error, connection.scrubbed, self._clock.now(), vertex=connection.vertex))
        if isinstance(failure.error, WrongCredentials):
            await self._look_for_new_key(connection)
        return failure

    async def _look_for_new_key(self, refused: Connection) -> None:
        """A refused key may have been replaced where it is kept: the next call then uses the new one."""
        try:
            key = await self._io.run(current_key, self._access)
        except PerkieError:  # the next call will tell of it
            return
        connecting = self._connecting
        if key != refused.key and connecting is not None and connecting.done() and connecting.result() is refused:
            self._connecting = None
            self._replaced.append(refused)  # other calls may still use it


def _succeeded(result: T | Failure, bill: Bill) -> T:
    """The result of a call. Raises: the error of a failed one, whose bill is then known if it cannot be charged."""
    if isinstance(result, Failure):
        bill.usage = None if result.maybe_billed else Usage(attempts=1)
        raise result.error
    return result
