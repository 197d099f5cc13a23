"""Background removal by another perkie: its ``POST /remove-background`` over HTTP.

One call is one attempt: the guard around the engine adds retries, breaker and limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from perkie_cli.domain.errors import (
    BadAnswer,
    PerkieError,
    UpstreamFault,
    UpstreamOverloaded,
    UpstreamRefused,
    UpstreamTimeout,
    WrongCredentials,
)
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.domain.pictures.cache_key import Recipe
from perkie_cli.engines.bounded import ENCODINGS, AnswerTooLarge, read_bounded
from perkie_cli.engines.retry_after import retry_after
from perkie_cli.imaging import codec
from perkie_cli.ports import Clock, Matte, MattingJob, Workers

if TYPE_CHECKING:
    import httpx2
    import numpy as np
    from numpy.typing import NDArray

_VERSION = "1"
_LONGEST = 600.0  # s: the service's own limit, cold start included
_CONNECT, _WRITE, _POOL = 10.0, 30.0, 5.0  # s
_KEY_HINT = "Check matting.remote_key."


class RemoteEngine:
    """``ports.MattingEngine`` over HTTP. The other side gets the mode; results name its engine and model."""

    name = "remote"

    def __init__(
        self,
        url: str,
        *,
        key: str | None,
        workers: Workers,
        clock: Clock,
        headers: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``url`` of the other perkie's root; ``key`` its API key; ``headers`` of the current request, for its log."""
        self._url = url.rstrip("/")
        self._key = key
        self._workers = workers
        self._clock = clock
        self._headers = headers
        self._client: httpx2.AsyncClient | None = None

    def recipe(self, mode: str) -> Recipe:
        """The recipe depends on the address: another service may run another network."""
        return Recipe(self.name, f"{self._url} {mode}", _VERSION)

    async def matte(self, job: MattingJob) -> Matte:
        """Finds the subject. Raises: Unavailable and subclasses; never BadInput, since the picture was checked here."""
        body = job.encoded or (await self._workers.run(_as_png, job)).data
        async with job.sending():
            answer = await self._post(body, job)
        _check_status(answer, retry_after(answer.headers.get("retry-after"), self._clock.now()))
        size = job.raster.height, job.raster.width
        alpha = await self._workers.run(_read_mask, answer.content, size)
        facts = answer.headers
        return Matte(
            alpha,
            _confidence(facts),
            self.name,
            facts.get("x-perkie-model", "unknown"),
            facts.get("x-perkie-device", "unknown"),
            _notes(facts),
        )

    async def aclose(self) -> None:
        """Closes connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, body: bytes, job: MattingJob) -> httpx2.Response:
        import httpx2

        time_left = min(_LONGEST, job.deadline.remaining(self._clock.monotonic()))
        timeout = httpx2.Timeout(time_left, connect=min(_CONNECT, time_left), write=_WRITE, pool=_POOL)
        headers = {"Content-Type": "application/octet-stream", "Accept": "image/png", "Accept-Encoding": ENCODINGS}
        headers |= self._headers()
        if self._key is not None:
            headers["X-API-Key"] = self._key
        # no substitute: it would be cached as the real result, and we have our own
        query = {"mode": job.mode, "output": "mask", "format": "png", "fallback": "none"}
        try:
            return await self._connected().post(
                f"{self._url}/remove-background", content=body, params=query, headers=headers, timeout=timeout
            )
        except UnicodeEncodeError:  # not chained: the error contains the key
            raise WrongCredentials("matting.remote_key has characters that no key has", hint=_KEY_HINT) from None
        except AnswerTooLarge as error:
            raise BadAnswer(f"the answer of {self._url} is not read: {error}") from error
        except httpx2.TimeoutException as error:
            raise UpstreamTimeout(f"{self._url} did not answer in time") from error
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise UpstreamFault(
                f"{self._url} cannot be reached: {error}", hint="Check matting.remote_url, and that it runs."
            ) from error

    def _connected(self) -> httpx2.AsyncClient:
        import httpx2

        if self._client is None:
            self._client = httpx2.AsyncClient(event_hooks={"response": [read_bounded]})
        return self._client


def _check_status(answer: httpx2.Response, wait: float | None) -> None:
    """Maps the answer's status to the error tree. Raises: Unavailable and subclasses, WrongCredentials."""
    if answer.is_success:
        return
    said = f"{answer.request.url.host} answered {answer.status_code}"
    kind: type[PerkieError]
    match answer.status_code:
        case 401 | 403:
            raise WrongCredentials(said, hint=_KEY_HINT)
        case 429:
            kind = UpstreamOverloaded
        case 408 | 504:
            kind = UpstreamTimeout
        case status if status >= 500:
            kind = UpstreamFault
        case _:
            kind = UpstreamRefused
    raise kind(said, retry_after=wait)


def _confidence(headers: Mapping[str, Any]) -> float:
    try:
        return min(1.0, max(0.0, float(headers.get("x-perkie-confidence", 1.0))))
    except ValueError as error:
        raise BadAnswer("the matting service's confidence is not a number") from error


def _notes(headers: Mapping[str, Any]) -> tuple[str, ...]:
    """The other side's warnings from its percent-encoded headers; low confidence is evaluated here again."""
    warnings = unquote(str(headers.get("x-perkie-warnings", ""))).split("; ")
    return tuple(each for each in warnings if each and not each.startswith("low confidence"))


def _as_png(job: MattingJob) -> Any:
    return codec.encode(job.raster, ImageFormat.PNG)


def _read_mask(data: bytes, size: tuple[int, int]) -> NDArray[np.uint8]:
    """The grey picture as alpha. Raises: BadAnswer."""
    try:
        raster = codec.decode(data, ImageLimits(min_side=1, max_side=max(size)), "the matting service's answer").raster
    except PerkieError as error:
        raise BadAnswer(f"the matting service sent no usable mask: {error.message}") from error
    if raster.rgb.shape[:2] != size:
        raise BadAnswer(f"the matting service sent a mask of {raster.width} × {raster.height} px")
    return raster.rgb[..., 0]
