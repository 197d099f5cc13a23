"""Makes the google-genai client: a developer key, a Vertex AI project or a Vertex AI key, over clients of our own."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import InvalidSetting, MissingCredentials, PerkieError, UnexpectedAnswer
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.gemini.network import http_clients
from perkie_cli.engines.gemini.refusals import KEY_HINT
from perkie_cli.engines.gemini.sentences import Scrubber

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.genai import Client

# Of the developer API: batches and files exist in no other, and one for all calls is one less to wonder about.
API_VERSION = "v1beta"


def _itself(secret: Secret) -> Secret:
    return secret


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach the API: a developer key; or Vertex AI, with a project or a key of its own (express mode).

    ``credentials`` of a project default to the machine's own. ``resolve`` turns a key that is a reference into the key
    itself; it may block.
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
        """Whether it is Vertex AI. A project says so too."""
        return self.vertex or self.project is not None


class Connection:
    """The SDK's client, the key in it, and the HTTP clients under it, which the SDK leaves open. Made in a worker.

    ``scrubbed`` cuts the key out of what the API says.

    Raises: MissingCredentials, InvalidSetting, MissingExtra, and what ``access.resolve`` raises.
    """

    def __init__(self, access: Access) -> None:
        self.key = _key(access)
        self.vertex = access.on_vertex
        self.scrubbed = Scrubber(self.key)
        base_url = checked_url(access.base_url) if access.base_url is not None else None
        self._async_http, self._http = http_clients()
        self.client = _client(access, self.key, base_url, httpx_async_client=self._async_http, httpx_client=self._http)

    async def aclose(self) -> None:
        """Closes all connections."""
        await self._async_http.aclose()
        self._http.close()


def connect(access: Access) -> Connection:
    """A connection. What the SDK does not like about this machine is told in its own words.

    Raises: as ``Connection``; UnexpectedAnswer.
    """
    try:
        return Connection(access)
    except PerkieError:
        raise
    except Exception as error:
        said = Scrubber(access.api_key)(error)
        raise UnexpectedAnswer(f"the client for gemini cannot be made ({type(error).__name__}{said})") from error


def _key(access: Access) -> Secret | None:
    """The key itself, without the line break that a file or a copy may end in; a project needs none."""
    if access.project is not None:
        return None
    if access.api_key is None:
        if access.vertex:
            raise InvalidSetting(
                "gemini.vertexai is set, but neither a project nor a key",
                hint="Set GOOGLE_CLOUD_PROJECT, or a key of Vertex AI's express mode in GOOGLE_API_KEY.",
            )
        raise MissingCredentials("no key for the Gemini API is set", hint=KEY_HINT)
    key = access.resolve(access.api_key).reveal().strip()
    if not key:
        raise MissingCredentials("the key for the Gemini API is empty", hint=KEY_HINT)
    if not key.isascii() or not key.isprintable():
        raise InvalidSetting(
            "gemini.api_key (GOOGLE_API_KEY, GEMINI_API_KEY) holds characters that no key has, "
            "such as a line break or a quotation mark of a word processor",
            hint="Copy the key again, alone on one line.",
        )
    return Secret(key)


def checked_url(url: str) -> str:
    """``url``, if it is one that can be called.

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
            f"gemini.base_url (GOOGLE_GEMINI_BASE_URL) is no address: {url[:100]!r}",
            hint="Write http://HOST:PORT or https://HOST, or leave it out for Google's own.",
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
    chosen = os.environ.get("GOOGLE_GENAI_API_VERSION")  # by the SDK's own variable
    version = None if access.vertex or chosen else API_VERSION
    options = HttpOptions(base_url=base_url, api_version=version, **http)
    return Client(vertexai=access.vertex, api_key=key.reveal() if key is not None else None, http_options=options)
