"""Rate limits and admission: never over the limit, never starving, everything given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from perkie_cli.config.schema import ByteCount, HttpSettings
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.events import NoEvents
from perkie_cli.http.limits.bodies import Bodies, Body
from perkie_cli.http.limits.gcra import Gcra, Rate
from perkie_cli.http.limits.patience import Patience
from perkie_cli.http.limits.rate_limits import RateLimiter
from perkie_cli.http.middleware import Boundary, Context
from tests.jumping_loop import JumpingLoop

SETTINGS = HttpSettings(max_body=ByteCount(1000))
RATE = Rate(count=20, period=60.0, burst=10)

# ------------------------------------------------------------------ bodies


def client_of(app: ASGIApp, bodies: Bodies) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Context(Boundary(app, SETTINGS, bodies, Patience()), NoEvents()))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None)


def sent(body: AsyncIterator[bytes], work: float = 0.0, encoding: str = "identity") -> int:
    """The status of an app that reads its whole body, of unknown length, and works for so many seconds; time jumps."""
    bodies = Bodies(10_000, 1000, 10.0)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert bodies.held == 0, "nothing has arrived"
        while (await receive()).get("more_body"):
            assert bodies.held > 0
        await asyncio.sleep(work)
        await Response("read")(scope, receive, send)

    async def post() -> int:
        async with client_of(app, bodies) as client:
            status = (await client.post("/", content=body, headers={"Content-Encoding": encoding})).status_code
        assert bodies.held == 0
        return status

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(post())


async def endless() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


async def dripping() -> AsyncIterator[bytes]:
    while True:
        yield b"x"
        await asyncio.sleep(1)


async def whole() -> AsyncIterator[bytes]:
    yield b"x"


def test_bodies_that_never_end_or_are_packed_are_refused() -> None:
    assert sent(endless()) == 408
    assert sent(dripping()) == 408
    assert sent(whole(), encoding="gzip") == 415


def test_work_may_take_longer_than_a_body() -> None:
    assert sent(whole(), work=3600) == 200


async def test_an_answer_that_fails_midway_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError

    async with client_of(app, Bodies(1, 1, 10.0)) as client:
        with pytest.raises(LookupError):
            await client.get("/")


# ------------------------------------------------------------------ memory of bodies


class Uploads:
    """Bodies of a few addresses, and those that had to give way."""

    def __init__(self, capacity: int, most: int) -> None:
        self.bodies = Bodies(capacity, most, 10.0)
        self.gone: list[str] = []

    def __call__(self, address: str, name: str = "") -> Body:
        return self.bodies.open(address, lambda: self.gone.append(name or address))


async def test_uploads_that_send_nothing_cost_nothing() -> None:
    upload = Uploads(1000, 100)
    idle = [upload("a") for _ in range(1000)]
    assert all(upload(f"b{i}").try_grow(90) for i in range(10))
    assert upload.gone == []
    assert upload.bodies.held == 900
    for each in idle:
        each.close()


async def test_the_address_that_holds_most_gives_way() -> None:
    upload = Uploads(1000, 100)
    held = [upload("greedy", f"greedy {i}") for i in range(6)]
    assert all(body.try_grow(100) for body in held)
    others = [upload("b"), upload("c"), upload("d")]
    assert all(other.try_grow(100) for other in others)
    assert upload.gone == []
    assert upload("e").try_grow(100), "there is room only because another one goes"
    assert upload.gone == ["greedy 5"]
    assert not upload("greedy").try_grow(100), "it does not give way to itself"
    assert upload.bodies.held == 900


async def test_work_that_has_begun_does_not_give_way() -> None:
    upload = Uploads(1000, 100)
    at_work = [upload("greedy") for _ in range(6)]
    for body in at_work:
        assert body.try_grow(100)
        body.arrived()
        body.keep(90)
    others = [upload(f"b{i}") for i in range(4)]
    assert [other.try_grow(100) for other in others] == [True, True, True, False]
    assert upload.bodies.held == 840
    assert upload.gone == []


async def test_the_oldest_upload_always_goes_on() -> None:
    upload = Uploads(1000, 400)
    first, *others = [upload("a") for _ in range(6)]
    assert first.try_grow(100)
    assert [other.try_grow(100) for other in others] == [True, True, True, False, False], "three quarters of 600"
    assert first.try_grow(300), "room for one whole body is left to it"
    first.arrived()
    waiting = asyncio.ensure_future(others[-1].grow(100))
    await asyncio.sleep(0)
    assert not waiting.done()
    first.close()
    await waiting
    assert upload.gone == []


def test_waiting_for_room_ends_in_time() -> None:
    async def wait() -> None:
        upload = Uploads(100, 100)
        first, second = upload("a"), upload("b")
        assert first.try_grow(90)
        first.arrived()
        with pytest.raises(AtCapacity) as refused:
            await second.grow(20)
        assert refused.value.retry_after == 5
        assert upload.bodies.held == 90

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        runner.run(wait())


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 9), st.integers(1, 120), st.booleans()), max_size=60))
def test_bodies_never_exceed_their_capacity(steps: list[tuple[str, int, int, bool]]) -> None:
    upload, bodies = Uploads(500, 120), dict[tuple[str, int], Body]()
    for address, number, more, end in steps:
        body = bodies.setdefault((address, number), upload(address))
        if body.size + more <= 120:
            body.try_grow(more)
        if end:
            body.close()
        assert 0 <= upload.bodies.held <= 500
        assert upload.bodies.held == sum(each.size for each in bodies.values())
    for body in bodies.values():
        body.close()
    assert upload.bodies.held == 0
    assert not upload.bodies.uploads


# ------------------------------------------------------------------ GCRA


def test_a_burst_then_the_sustained_rate() -> None:
    limit = Gcra(RATE)
    assert [limit.take("a", 0.0).remaining for _ in range(10)] == list(range(9, -1, -1))
    refused = limit.take("a", 0.0)
    assert not refused.allowed
    assert refused.retry_after == pytest.approx(3.0)
    assert limit.take("a", 3.0).allowed
    assert not limit.take("a", 3.0).allowed
    assert limit.take("b", 3.0).allowed


@given(st.lists(st.floats(0, 5), max_size=150))
def test_no_stretch_of_time_lets_more_through_than_rate_and_burst(gaps: list[float]) -> None:
    limit, now, passed = Gcra(RATE), 0.0, []
    for gap in gaps:
        now += gap
        if limit.take("a", now).allowed:
            passed.append(now)
    for i, start in enumerate(passed):
        for j in range(i, len(passed)):
            assert j - i + 1 <= RATE.burst + (passed[j] - start) / RATE.interval + 1e-6


@given(st.lists(st.floats(0, 10), max_size=60))
def test_waiting_as_told_is_enough(gaps: list[float]) -> None:
    limit, now = Gcra(RATE), 0.0
    for gap in gaps:
        now += gap
        verdict = limit.take("a", now)
        if not verdict.allowed:
            now += verdict.retry_after + 1e-6
            assert limit.take("a", now).allowed


def test_memory_is_bounded() -> None:
    limit = Gcra(RATE, keys=100)
    for number in range(1000):
        limit.take(str(number), 0.0)
    assert len(limit) == 100


def test_the_longest_unused_is_forgotten_first() -> None:
    limit = Gcra(RATE, keys=2)
    for key in "abac":
        limit.take(key, 0.0)
    assert [limit.peek(key, 0.0).remaining for key in "abc"] == [8, 10, 9]


def test_all_limits_count_or_none() -> None:
    limiter = RateLimiter({"ip": Rate(100, 60, 10), "session": Rate(20, 60, 2)})
    keys = {"ip": "1.2.3.4", "session": "s"}
    assert limiter.check(keys, 0.0).error is None
    headers = limiter.check(keys, 0.0).headers
    assert headers["RateLimit-Policy"] == '"ip";q=100;w=60, "session";q=20;w=60'
    assert headers["RateLimit"].startswith('"ip";r=8;t=')
    for _ in range(20):  # refused by the session, so the address pays nothing
        refused = limiter.check(keys, 0.0)
    assert refused.error is not None
    assert refused.error.retry_after == pytest.approx(3.0)
    assert refused.headers["RateLimit"] == '"ip";r=8;t=2, "session";r=0;t=3'
    assert limiter.check({"ip": "1.2.3.4"}, 0.0).error is None


def test_of_two_limits_the_longer_wait_is_told() -> None:
    limiter = RateLimiter({"ip": Rate(100, 60, 1), "session": Rate(20, 60, 1)})
    first, second = (limiter.check({"ip": "1.2.3.4", "session": "s"}, 0.0) for _ in range(2))
    assert first.error is None
    assert second.error is not None
    assert second.error.retry_after == pytest.approx(3.0)


def test_no_keys_no_limits() -> None:
    outcome = RateLimiter({"ip": RATE}).check({}, 0.0)
    assert (outcome.headers, outcome.error) == ({}, None)
