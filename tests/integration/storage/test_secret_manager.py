"""References to secrets, against a loopback server that answers as Secret Manager does."""

from __future__ import annotations

import asyncio
import base64
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
from google.oauth2 import service_account
from google.oauth2.credentials import Credentials

from perkie_cli.config.models import load_models
from perkie_cli.domain import errors
from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.secret import Secret
from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.engines.gemini.client import Access, Connection
from perkie_cli.engines.gemini.engine import GeminiEngine
from perkie_cli.engines.meter import Meter
from perkie_cli.stores.google.secret_manager import resolved
from perkie_cli.stores.sqlite.ledger import SqliteLedger
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.threads import thread_workers

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


async def test_a_sign_in_that_does_not_answer_is_no_refusal(signing_key: tuple[str, bytes]) -> None:
    account = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        {"client_email": "a@b", "token_uri": "http://perkie.invalid/token", "private_key": signing_key[0]},
        scopes=["s"],
    )
    with pytest.raises(errors.Unavailable):
        await asyncio.to_thread(resolved, Secret(f"sm://{NAME}"), credentials=account)


@asynccontextmanager
async def engine_with(folder: Path, fetch: Callable[[Secret], Secret]) -> AsyncIterator[GeminiEngine]:
    """An engine whose key has to be fetched."""
    clock, io = SystemClock(), thread_workers(8)
    engine = GeminiEngine(
        Access(Secret("key"), resolve=fetch),
        load_models(),
        default_model="gemini-nano-banana-2.1",
        meter=Meter(SqliteLedger(folder / "spend.sqlite", clock), Decimal(1), NoEvents()),
        workers=io,
        io=io,
        clock=clock,
    )
    yield engine
    await engine.aclose()
    io.close()


async def test_a_key_that_could_not_be_fetched_is_asked_for_again(tmp_path: Path) -> None:
    outcomes: list[Exception | None] = [errors.Unavailable("down"), None]

    def fetch(secret: Secret) -> Secret:
        if outcome := outcomes.pop(0):
            raise outcome
        return secret

    async with engine_with(tmp_path, fetch) as engine:
        with pytest.raises(errors.Unavailable):
            await engine.warm_up()
        await engine.warm_up()
    assert outcomes == []


async def test_fetching_a_key_takes_one_thread_however_many_give_up_waiting(tmp_path: Path) -> None:
    asked, told, tries = threading.Event(), threading.Event(), []

    def fetch(secret: Secret) -> Secret:
        tries.append(secret)
        asked.set()
        told.wait()
        return secret

    async with engine_with(tmp_path, fetch) as engine:
        impatient = [asyncio.create_task(engine.warm_up()) for _ in range(3)]
        await asyncio.to_thread(asked.wait)
        for task in impatient:
            task.cancel()
        await asyncio.wait(impatient)
        patient = asyncio.create_task(engine.warm_up())
        await asyncio.sleep(0)
        told.set()
        await patient
        assert len(tries) == 1
