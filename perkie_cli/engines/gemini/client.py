"""Makes the google-genai client: a developer key or Vertex AI, over a transport of our own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from perkie_cli.domain.errors import MissingCredentials
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.faults import KEY_HINT

if TYPE_CHECKING:
    import httpx2
    from google.auth.credentials import Credentials
    from google.genai import Client

CONNECT, WRITE, POOL = 10.0, 10.0, 5.0  # seconds; reading has no limit but the guard's, which cancels the call
MAX_CONNECTIONS = 1000


def _itself(secret: Secret) -> Secret:
    return secret


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API: a key, or a Vertex AI project. ``credentials`` default to the machine's own.

    ``resolve`` turns a key that is a reference into the key itself; it may block.
    """

    api_key: Secret | None = None
    base_url: str | None = None
    project: str | None = None
    location: str = "global"
    credentials: Credentials | None = None
    resolve: Callable[[Secret], Secret] = _itself


class Connection:
    """The SDK's client, the key in it, and the HTTP clients under it, which the SDK leaves open. Made in a worker.

    Raises: MissingCredentials, and what ``access.resolve`` raises.
    """

    def __init__(self, access: Access) -> None:
        self.key = access.resolve(access.api_key) if access.api_key is not None else None
        if self.key is None and access.project is None:
            raise MissingCredentials("no key for the Gemini API is set", hint=KEY_HINT)
        self._async_http, self._http = _http_clients()
        self.client = _client(access, self.key, self._async_http, self._http)

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._async_http.aclose()
        self._http.close()


def _http_clients() -> tuple[httpx2.AsyncClient, httpx2.Client]:
    """Given explicitly, since the SDK otherwise switches to aiohttp where that is installed and retries by itself."""
    import httpx2

    phases = httpx2.Timeout(None, connect=CONNECT, write=WRITE, pool=POOL).as_dict()

    class PhasedTransport(httpx2.AsyncHTTPTransport):
        """Sets our timeouts on each request: the SDK sends every one of them with all timeouts switched off."""

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            request.extensions["timeout"] = phases
            return await super().handle_async_request(request)

    tls = httpx2.create_ssl_context()  # one for both: loading the certificates is most of a client's making
    limits = httpx2.Limits(max_connections=MAX_CONNECTIONS, max_keepalive_connections=100)
    transport = PhasedTransport(verify=tls, limits=limits)
    return httpx2.AsyncClient(transport=transport), httpx2.Client(verify=tls)


def _client(access: Access, key: Secret | None, async_http: httpx2.AsyncClient, http: httpx2.Client) -> Client:
    import warnings

    from google.genai import Client
    from google.genai.types import HttpOptions

    # Finish reasons newer than the SDK are told apart by name (answer.py); the SDK would warn of each on stderr.
    warnings.filterwarnings("ignore", message=".* is not a valid ", category=UserWarning, module=r"google\.genai\.")
    options = HttpOptions(base_url=access.base_url, httpx_async_client=async_http, httpx_client=http)
    if access.project is not None:
        return Client(
            vertexai=True,
            project=access.project,
            location=access.location,
            credentials=access.credentials,
            http_options=options,
        )
    return Client(vertexai=False, api_key=key.reveal() if key is not None else None, http_options=options)
