"""Makes the google-genai client: a developer key, a Vertex AI project or a Vertex AI key, over our own HTTP clients."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import InvalidSetting, MissingCredentials, PerkieError, UnexpectedAnswer
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.secret import Secret, masked
from perkie_cli.engines.gemini.network import http_clients
from perkie_cli.engines.gemini.refusals import KEY_HINT, VERTEX_HINT
from perkie_cli.engines.gemini.sentences import Scrubber

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.genai import Client

# Of the developer API: only this version has batches and files, and one version for all calls is simpler.
API_VERSION = "v1beta"


def _itself(secret: Secret) -> Secret:
    return secret


@frozen
class Access:
    """How to reach the API: a developer key; or Vertex AI, with a project or a key of its own (express mode).

    A project's ``credentials`` default to the machine's own. ``resolve`` turns a reference to a key into the key; it
    may block.
    """

    api_key: Secret | None = None
    base_url: str | None = None
    project: str | None = None
    location: str = "global"
    credentials: Credentials | None = None
    resolve: Callable[[Secret], Secret] = _itself
    vertex: bool = False

    @property
    def on_vertex(self) -> bool:
        """Whether it is Vertex AI. A project alone also means Vertex AI."""
        return self.vertex or self.project is not None


class Connection:
    """The SDK's client, its key, and its HTTP clients, which the SDK does not close. Create it in a worker.

    ``scrubbed`` removes the key from the API's messages.

    Raises: MissingCredentials, InvalidSetting, MissingExtra, and the errors of ``access.resolve``.
    """

    def __init__(self, access: Access) -> None:
        self.key = current_key(access)
        self.vertex = access.on_vertex
        self.scrubbed = Scrubber(self.key)
        base_url = checked_url(access.base_url) if access.base_url is not None else None
        self._async_http, self._http = http_clients()
        self.client = _client(access, self.key, base_url, httpx_async_client=self._async_http, httpx_client=self._http)

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._async_http.aclose()
        self._http.close()


def check(access: Access) -> None:
    """Checks key or account, address, proxies and certificates without a client, whose import takes most of a second.

    Raises: as ``Connection``.
    """
    current_key(access)
    if access.base_url is not None:
        checked_url(access.base_url)
    _, unused = http_clients()
    unused.close()
    if access.project is not None and access.credentials is None:
        _check_account()


def _check_account() -> None:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        google.auth.default()
    except DefaultCredentialsError as error:
        reason = str(error.args[0]).partition(". ")[0].rstrip(".")  # its first sentence says what it looked for
        raise MissingCredentials(f"no Google credentials for Vertex AI: {reason}", hint=VERTEX_HINT) from error


def connect(access: Access) -> Connection:
    """Makes a connection. The SDK's own complaints about this machine are passed on.

    Raises: as ``Connection``; UnexpectedAnswer.
    """
    try:
        return Connection(access)
    except PerkieError:
        raise
    except Exception as error:
        said = Scrubber(access.api_key)(error)
        raise UnexpectedAnswer(f"the client for gemini cannot be created ({type(error).__name__}{said})") from error


def current_key(access: Access) -> Secret | None:
    """The key, without a trailing line break from a file or a copy; a project needs no key. It may block.

    Raises: MissingCredentials, InvalidSetting, and the errors of ``access.resolve``.
    """
    if access.project is not None:
        return None
    if access.api_key is None:
        if access.vertex:
            raise InvalidSetting(
                "gemini.vertexai is set, but there is neither a project nor a key",
                hint="Set GOOGLE_CLOUD_PROJECT, or a key of Vertex AI's express mode in GOOGLE_API_KEY.",
            )
        raise MissingCredentials("no key for the Gemini API is set", hint=KEY_HINT)
    key = access.resolve(access.api_key).reveal().strip()
    if not key:
        raise MissingCredentials("the key for the Gemini API is empty", hint=KEY_HINT)
    if not key.isascii() or not key.isprintable():
        raise InvalidSetting(
            "gemini.api_key (GOOGLE_API_KEY, GEMINI_API_KEY) contains characters that are not allowed in keys, "
            "such as a line break or a quotation mark of a word processor",
            hint="Copy the key again, on a single line.",
        )
    return Secret(key)


def checked_url(url: str) -> str:
    """Returns ``url`` if it is usable.

    Raises: InvalidSetting.
    """
    import httpx2

    try:
        parsed = httpx2.URL(url)
        usable = parsed.scheme in ("http", "https") and bool(parsed.host) and (parsed.port or 1) in range(1, 65536)
    except (httpx2.InvalidURL, ValueError, UnicodeError):
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidSetting(
            f"gemini.base_url (GOOGLE_GEMINI_BASE_URL) is not a valid address: {masked(url)[:100]!r}",
            hint="Use http://HOST:PORT or https://HOST, or leave it out for Google's own.",
        )
    return url


def _client(access: Access, key: Secret | None, base_url: str | None, **http: Any) -> Client:
    from google.genai import Client
    from google.genai.types import HttpOptions

    if access.project is not None:
        return Client(
            vertexai=True,
            project=access.project,
            location=access.location,
            credentials=access.credentials,
            http_options=HttpOptions(base_url=base_url, **http),
        )
    chosen = os.environ.get("GOOGLE_GENAI_API_VERSION")  # the SDK's own variable
    version = None if access.vertex or chosen else API_VERSION
    options = HttpOptions(base_url=base_url, api_version=version, **http)
    return Client(vertexai=access.vertex, api_key=key.reveal() if key is not None else None, http_options=options)
