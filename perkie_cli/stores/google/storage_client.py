"""One bucket through google-cloud-storage: the client, error translation, and retries with back-off.

The library's own retries are off: they take up to two minutes, too long for a cache.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from perkie_cli.domain.errors import (
    Forbidden,
    InvalidSetting,
    StoreUnavailable,
    WrongCredentials,
)
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock, Workers
from perkie_cli.stores.google.login import LOGIN, missing_credentials

if TYPE_CHECKING:
    from google.cloud.storage import Bucket, Client

T = TypeVar("T")
TRIES = 3
FIRST_WAIT = 0.2  # seconds; doubles, with full jitter
TIMEOUT = (3.0, 8.0)  # seconds to connect, and between bytes
TIME_LIMIT = 8.0  # seconds for a call with all its attempts: a slow bucket must not delay a picture
CALL_OPTIONS: dict[str, Any] = {"timeout": TIMEOUT, "retry": None}  # for every call of the library
SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)


@frozen
class GcsPlace:
    """A bucket's address. ``endpoint`` is an emulator's address, used without credentials."""

    bucket: str
    endpoint: str | None = None

    def connect(self) -> tuple[Client, Any]:
        """Creates the client and its credentials. The import takes 0.4 s: call it in a worker thread.

        Raises: google.auth.exceptions.DefaultCredentialsError.
        """
        import google.auth
        from google.api_core.client_options import ClientOptions
        from google.auth.credentials import AnonymousCredentials
        from google.cloud.storage import Client

        if self.endpoint is not None:
            address = self.endpoint if "://" in self.endpoint else f"http://{self.endpoint}"
            nobody = AnonymousCredentials()  # type: ignore[no-untyped-call]  # google-auth is untyped here
            options = ClientOptions(api_endpoint=address)
            return Client(project="emulated", credentials=nobody, client_options=options), nobody
        credentials, project = google.auth.default(scopes=SCOPES)
        return Client(project=project, credentials=credentials), credentials


class GcsConnection:
    """Runs calls on the bucket in worker threads, which limits how many run at once."""

    def __init__(
        self,
        place: GcsPlace,
        clock: Clock,
        workers: Workers,
        dice: random.Random | None = None,
        time_limit: float = TIME_LIMIT,
    ) -> None:
        self.place = place
        self._time_limit = time_limit
        self._clock = clock
        self._workers = workers
        self._dice = dice or random.Random()  # noqa: S311  # jitter, no secret
        self._client: Client | None = None
        self.credentials: Any = None

    async def run(self, call: Callable[[Bucket], T]) -> T:
        """Runs ``call`` with up to ``TRIES`` attempts; passes ``NotFound`` and ``PreconditionFailed`` on to the caller.

        Raises: StoreUnavailable, NotAuthorised.
        """
        try:
            async with asyncio.timeout(self._time_limit):
                return await self._tries(call)
        except TimeoutError as error:
            name = f"gs://{self.place.bucket}"
            raise StoreUnavailable(f"{name} does not answer within {self._time_limit:g} s") from error

    async def _tries(self, call: Callable[[Bucket], T]) -> T:
        from google.api_core.exceptions import NotFound, PreconditionFailed

        for attempt in range(1, TRIES + 1):
            try:
                return await self._workers.run(self._once, call)
            except (NotFound, PreconditionFailed):
                raise
            except Exception as error:
                ours = self._ours(error)
                if attempt == TRIES or not _is_passing(error):
                    raise ours from error
            await self._clock.sleep(self._dice.uniform(0, FIRST_WAIT * 2**attempt))
        raise AssertionError("the last attempt returns or raises")

    async def in_bucket(self, call: Callable[[Bucket], T]) -> T:
        """``run`` for calls where 404 can only mean that the bucket does not exist.

        Raises: InvalidSetting, and everything that ``run`` raises.
        """
        from google.api_core.exceptions import NotFound

        try:
            return await self.run(call)
        except NotFound as error:
            raise InvalidSetting(
                f"bucket gs://{self.place.bucket} does not exist",
                hint="Check its name (the cache's is cache.bucket), or create it: docs/storage.md has the commands.",
            ) from error

    def _once(self, call: Callable[[Bucket], T]) -> T:
        if self._client is None:
            self._client, self.credentials = self.place.connect()
        return call(self._client.bucket(self.place.bucket))

    def _ours(self, error: Exception) -> Exception:
        """Translates an error by its class; unknown ones stay unchanged."""
        import google.auth.exceptions as auth
        import requests.exceptions
        from google.api_core import exceptions as api
        from google.cloud.storage.exceptions import DataCorruption

        name = f"gs://{self.place.bucket}"
        match error:
            case auth.DefaultCredentialsError():
                return missing_credentials(name, error)
            case auth.TransportError():
                return StoreUnavailable(f"Google's sign-in does not answer: {_brief(error)}")
            case auth.GoogleAuthError() | api.Unauthorized():
                return WrongCredentials(f"Google refuses our credentials for {name}", hint=LOGIN)
            case api.Forbidden():
                return Forbidden(f"not allowed in {name}", hint="Is it ours? Grant roles/storage.objectUser on it.")
            case api.ClientError():
                return StoreUnavailable(f"{name} refuses the request: {_brief(error)}")
            case api.GoogleAPIError() | requests.exceptions.RequestException():
                return StoreUnavailable(f"{name} does not answer: {_brief(error)}")
            case DataCorruption():
                return StoreUnavailable(f"{name} sent damaged bytes")
        return error

    async def aclose(self) -> None:
        """Closes the connections and its own workers."""
        client, self._client = self._client, None
        await asyncio.to_thread(self._workers.close)
        if client is not None:
            await asyncio.to_thread(client.close)


def _is_passing(error: Exception) -> bool:
    """Whether a retry may succeed."""
    from google.api_core.exceptions import ServerError, TooManyRequests
    from google.auth.exceptions import TransportError
    from google.cloud.storage.exceptions import DataCorruption
    from requests.exceptions import RequestException

    return isinstance(error, ServerError | TooManyRequests | TransportError | RequestException | DataCorruption)


def _brief(error: Exception) -> str:
    """The service's own message, else the error's class: the rest of these texts is addresses."""
    for body in getattr(error, "errors", ()):
        if isinstance(body, Mapping) and "message" in body:
            return str(body["message"])[:200]
    return type(error).__name__
