"""Servers that answer in every way, well and badly: each is counted as what it is, with its reason."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from perkie_cli.domain.picture import ImageFormat
from perkie_cli.emulators.tls import tls_for
from perkie_cli.loadtest.generator.choices import Choice
from perkie_cli.loadtest.generator.connection import Connections, Exchange
from perkie_cli.loadtest.scenario import Call, Check, Phase, Scenario
from perkie_cli.loadtest.tally import Outcome, Tally
from tests.loadtest import ANSWER, drive, scenario
from tests.pictures import file_of, photo

Reply = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
PICTURE = file_of(photo(320, 280))
LOOSE = Call("call", "/", timeout=0.5)


@asynccontextmanager
async def server(reply: Reply, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Reads each request's head, then lets ``reply`` do what it wants."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with closing(writer), suppress(asyncio.IncompleteReadError, ConnectionError):  # the client has left
            while await reader.readuntil(b"\r\n\r\n"):
                await reply(reader, writer)

    running = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with running:
        port = running.sockets[0].getsockname()[1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"


def says(*parts: bytes, close: bool = False, wait: float = 0.0) -> Reply:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(wait)
        if close:
            writer.close()

    return reply


def found(call: Call = LOOSE, **changes: object) -> Scenario:
    return scenario(phases=(Phase("p", 0.2, rate=50.0),), calls=(call,), **changes)


async def outcome(reply: Reply, call: Call = LOOSE) -> Tally:
    async with server(reply) as url:
        return await drive(found(call), url, time.monotonic() + 0.05, time.monotonic)


def head(more: str = "", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{more}\r\n".encode()


CHUNKS = head("Transfer-Encoding: chunked\r\n") + b"2\r\nok\r\n0\r\n\r\n"
GOOD = {
    "with a length": says(ANSWER),
    "in chunks": says(CHUNKS),
    "byte by byte": says(*(bytes([byte]) for byte in ANSWER)),
    "until the connection ends": says(head() + b"ok", close=True),
    "with an empty body": says(head("Content-Length: 0\r\n")),
    "after an informational one": says(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + ANSWER),
    "and closes": says(head("Content-Length: 2\r\nConnection: close\r\n") + b"ok", close=True),
    "as HTTP/1.0": says(b"HTTP/1.0 200 OK\r\n\r\nok", close=True),
}


@pytest.mark.parametrize("reply", GOOD.values(), ids=GOOD)
async def test_a_good_answer_is_taken_in_every_form(reply: Reply) -> None:
    series = (await outcome(reply)).series()
    assert series.outcomes == {Outcome.OK: 10}
    assert series.statuses == {200: 10}


PROBLEM = b'{"type":"urn:perkie:problem:at_capacity","title":"x"}'
LENGTH = f"Content-Length: {len(PROBLEM)}\r\n"
BAD = {
    "status 503 at_capacity": says(head(LENGTH, "503 Busy") + PROBLEM),
    "status 500": says(head("Content-Length: 0\r\n", "500 Bug")),
    "status 404": says(head("Content-Length: 2\r\n", "404 Not Found") + b"{}"),
    "not HTTP": says(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "the connection ended before an answer": says(close=True),
    "the connection ended in the middle of the answer": says(head("Content-Length: 99\r\n") + b"ok", close=True),
}


@pytest.mark.parametrize("reason", BAD)
async def test_a_bad_answer_is_an_error_with_its_reason_and_a_sample(reason: str) -> None:
    tally = await outcome(BAD[reason])
    series = tally.series()
    assert series.outcomes == {Outcome.ERROR: 10}
    assert [each.partition(":")[0] for each in series.errors] == [reason]
    assert series.latency.count == 0, "a quick failure must not make the percentiles look good"
    (sample,) = tally.samples.values()
    assert sample.call == "call"
    assert ("at_capacity" in sample.answer) is ("at_capacity" in reason)


async def test_a_reset_is_an_error() -> None:
    async def reply(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    assert (await outcome(reply)).series().outcomes == {Outcome.ERROR: 10}


@pytest.mark.parametrize("reply", [says(), says(head("Content-Length: 99\r\n"), wait=0.0)], ids=["nothing", "half"])
async def test_no_whole_answer_in_time_is_a_timeout_as_slow_as_its_limit(reply: Reply) -> None:
    series = (await outcome(reply)).series()
    assert series.outcomes == {Outcome.TIMEOUT: 10}
    assert series.latency.figures()["min"] == pytest.approx(0.5, abs=0.2)
    assert series.latency.count == 10


@pytest.mark.jumping
async def test_each_request_has_a_time_limit_of_its_own() -> None:
    """Requests with the same limit share a timer."""
    loop = asyncio.get_running_loop()
    names: dict[Exchange, str] = {}
    ends: list[tuple[str, float, bool]] = []

    def ended(exchange: Exchange) -> None:
        ends.append((names[exchange], exchange.done - begin, exchange.timed_out))

    async with server(says()) as url:
        connections = Connections(urlsplit(url), loop.time)
        begin = loop.time()
        for wait, name, limit in ((0.0, "a", 2.0), (0.5, "b", 2.0), (0.5, "c", 0.25), (1.5, "d", 2.0)):
            await asyncio.sleep(begin + wait - loop.time())
            exchange = Exchange(Choice(0, 0, -1, 0), 0, 0.0, ended)
            names[exchange] = name
            exchange.payload = (b"GET / HTTP/1.1\r\n\r\n",)
            connections.send(exchange, limit)
        await asyncio.sleep(3.0)
        await connections.aclose()
    assert [(name, late) for name, _, late in ends] == [(name, True) for name in "cabd"]
    assert [at for _, at, _ in ends] == pytest.approx([0.75, 2.0, 2.5, 3.5], abs=0.002)


async def test_what_follows_a_whole_answer_spoils_the_connection_but_not_the_answer() -> None:
    async with server(says(ANSWER + b"not HTTP at all")) as url:
        tally = await drive(found(), url, asyncio.get_running_loop().time(), asyncio.get_running_loop().time)
    assert tally.series().outcomes == {Outcome.OK: 10}
    assert tally.generator.connections == 10


async def test_a_server_that_drips_is_stopped_by_the_time_limit_too() -> None:
    drip = says(head("Content-Length: 1000\r\n"), *[b"x"] * 1000, wait=0.05)
    assert (await outcome(drip)).series().outcomes == {Outcome.TIMEOUT: 10}


async def test_where_nobody_listens_every_request_is_an_error() -> None:
    async with server(says(ANSWER)) as url:
        pass
    tally = await drive(found(), url, time.monotonic() + 0.05, time.monotonic)
    assert tally.series().errors == {"no connection: Connection refused": 10}


async def test_a_server_that_starts_in_the_middle_is_found_at_once() -> None:
    async with server(says(ANSWER)) as url:
        pass
    port = int(url.rpartition(":")[2])
    work = asyncio.create_task(
        drive(scenario(phases=(Phase("p", 1.0, rate=50.0),)), url, time.monotonic() + 0.05, time.monotonic)
    )
    await asyncio.sleep(0.5)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(ANSWER)

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        outcomes = (await work).series().outcomes
    assert outcomes[Outcome.OK] > 10
    assert outcomes[Outcome.ERROR] > 10


def picture(data: bytes) -> Reply:
    return says(head(f"Content-Type: image/jpeg\r\nContent-Length: {len(data)}\r\nX-Perkie-Cache-Hit: true\r\n") + data)


CHECKED = Call("call", "/", check=Check.PICTURE, timeout=5.0)


@pytest.mark.parametrize("kind", ImageFormat)
async def test_a_whole_picture_of_each_format_is_good_and_its_facts_are_counted(kind: ImageFormat) -> None:
    series = (await outcome(picture(file_of(photo(320, 280), kind.name)), CHECKED)).series()
    assert series.outcomes == {Outcome.OK: 10}
    assert (series.hits, series.misses) == (10, 0)


@pytest.mark.parametrize(
    "data", [PICTURE[: len(PICTURE) // 2], b"<html>", b"", file_of(photo(90, 90))],
    ids=["half", "html", "empty", "tiny"],
)  # fmt: skip
async def test_what_is_not_a_whole_picture_is_an_error(data: bytes) -> None:
    series = (await outcome(picture(data), CHECKED)).series()
    assert series.outcomes == {Outcome.ERROR: 10}
    assert all(reason.startswith("not a whole picture") for reason in series.errors)


STREAM = Call("call", "/", check=Check.STREAM, timeout=5.0)


@pytest.mark.parametrize(
    ("events", "good"),
    [
        (b'event: style\ndata: {"cache_hit":true,"cost_usd":"0.0336"}\n\nevent: done\ndata: {}\n\n', True),
        (b'event: style\ndata: {"cache_hit":true}\n\nevent: error\ndata: {}\n\n', False),
        (b"event: accepted\ndata: event: done\n\n", False),
    ],
)
async def test_a_stream_is_good_when_it_says_done(events: bytes, good: bool) -> None:
    answer = head(f"Content-Type: text/event-stream\r\nContent-Length: {len(events)}\r\n") + events
    series = (await outcome(says(answer), STREAM)).series()
    assert series.outcomes == {(Outcome.OK if good else Outcome.ERROR): 10}
    assert series.hits == (10 if good else 0)
    assert series.usd == pytest.approx(0.336 if good else 0.0)


async def test_what_is_in_flight_at_the_end_is_cut_off_and_neither_good_nor_bad() -> None:
    async with server(says()) as url:
        tally = await drive(found(Call("call", "/"), grace=0.2), url, time.monotonic() + 0.05, time.monotonic)
    series = tally.series()
    assert series.outcomes == {Outcome.CUT_OFF: 10}
    assert series.figure("error_rate") is None


async def test_connections_are_used_again_and_users_send_one_request_at_a_time() -> None:
    async with server(says(ANSWER)) as url:
        users = scenario(phases=(Phase("p", 0.5, users=3),))
        tally = await drive(users, url, time.monotonic() + 0.05, time.monotonic)
        assert tally.generator.connections == 3
        assert tally.series().outcomes[Outcome.OK] > 30
        assert set(tally.series().outcomes) == {Outcome.OK}
        schedule = await drive(found(), url, time.monotonic() + 0.05, time.monotonic)
    assert schedule.generator.connections < 10


@pytest.mark.parametrize("think", [0.0, 0.05])
async def test_a_single_user_sends_again_after_each_answer(think: float) -> None:
    async with server(says(ANSWER)) as url:
        spec = scenario(phases=(Phase("users", 0.5, users=1, think=think),))
        tally = await drive(spec, url, asyncio.get_running_loop().time(), asyncio.get_running_loop().time)
    assert tally.series().outcomes[Outcome.OK] > 1


async def test_tls_is_checked_unless_told_otherwise(tmp_path: Path) -> None:
    from urllib.parse import urlsplit

    from perkie_cli.loadtest.generator.choices import choices
    from perkie_cli.loadtest.generator.driver import Driver
    from perkie_cli.loadtest.generator.schedule import arrivals
    from perkie_cli.loadtest.generator.wire import Message

    with tls_for("127.0.0.1", None, None, make=True) as (context, _):
        async with server(says(ANSWER), context) as url:
            for insecure, expected in ((True, Outcome.OK), (False, Outcome.ERROR)):
                target, spec = urlsplit(url), found(Call("call", "/"))
                connections = Connections(target, time.monotonic, insecure=insecure)
                messages = [Message(spec.calls[0], target, None, {})]
                driver = Driver(spec, messages, choices(spec, 1), connections, most=100)
                await driver.run_open(time.monotonic() + 0.05, *arrivals(spec, 1))
                await connections.aclose()
                assert driver.tally.series().outcomes == {expected: 10}
    assert "the certificate is not trusted" in next(iter(driver.tally.series().errors))
