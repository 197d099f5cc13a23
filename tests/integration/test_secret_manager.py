"""References to secrets, against a loopback server that answers as Secret Manager does."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from functools import partial

import pytest
from google.oauth2.credentials import Credentials

from perkie_cli.domain import errors
from perkie_cli.domain.secret import Secret
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.engines.gemini.client import Access, Connection
from perkie_cli.stores.secret_manager import resolved

NAME = "projects/p/secrets/gemini/versions/latest"
TOKEN = Credentials(token="t0ken")  # type: ignore[no-untyped-call]


async def answer(request: Request, wire: Wire) -> Response:
    if request.headers.get("authorization") != "Bearer t0ken":
        return Response.of({}, 401)
    answers = {
        f"/v1/{NAME}:access": Response.of({"payload": {"data": base64.b64encode(b"the key\n").decode()}}),
        "/v1/projects/p/secrets/closed/versions/1:access": Response.of({}, 403),
        "/v1/projects/p/secrets/broken/versions/1:access": Response.of({}, 500),
        "/v1/projects/p/secrets/odd/versions/1:access": Response.of({"payload": {"data": "%"}}),
    }
    return answers.get(request.path, Response.of({}, 404))


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    made = HttpServer(answer)
    await made.start()
    yield made
    await made.aclose()


async def test_a_reference_is_read(server: HttpServer) -> None:
    read = partial(resolved, address=server.url, credentials=TOKEN)
    assert await asyncio.to_thread(read, Secret(f"sm://{NAME}")) == Secret("the key")
    connection = await asyncio.to_thread(Connection, Access(Secret(f"sm://{NAME}"), resolve=read))
    assert connection.key == Secret("the key")
    await connection.aclose()


async def test_any_other_secret_is_itself(server: HttpServer) -> None:
    assert resolved(Secret("AIza-plain")) == Secret("AIza-plain")


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("projects/p/secrets/closed/versions/1", errors.WrongCredentials),
        ("projects/p/secrets/none/versions/1", errors.MissingCredentials),
        ("projects/p/secrets/broken/versions/1", errors.Unavailable),
        ("projects/p/secrets/odd/versions/1", errors.Unavailable),
        ("projects/p/secrets/x", errors.InvalidSetting),
        ("projects/p/secrets/../../versions/1", errors.InvalidSetting),
    ],
)
async def test_what_cannot_be_read_is_told(server: HttpServer, name: str, error: type[errors.PerkieError]) -> None:
    with pytest.raises(error):
        await asyncio.to_thread(resolved, Secret(f"sm://{name}"), address=server.url, credentials=TOKEN)


async def test_no_connection() -> None:
    with pytest.raises(errors.Unavailable):
        await asyncio.to_thread(resolved, Secret(f"sm://{NAME}"), address="http://perkie.invalid", credentials=TOKEN)
