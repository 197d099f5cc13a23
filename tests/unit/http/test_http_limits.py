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

from perkie_cli.domain.errors import AtCapacity
from perkie_cli.http.limits.gcra import Gcra, Rate
from perkie_cli.http.limits.rate_limits import RateLimiter
from perkie_cli.http.middleware import Boundary, Context
from perkie_cli.resilience.admission import Admission
from tests.jumping_loop import JumpingLoop

RATE = Rate(count=20, period=60.0, burst=10)

# ------------------------------------------------------------------ bodies


def client_of(app: ASGIApp, bodies: Admission) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(Context(Boundary(app, 1000, bodies), lambda *_: None))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=None)


def sent(body: AsyncIterator[bytes], work: float = 0.0, encoding: str = "identity") -> int:
    """The status of an app that reads its whole body, of unknown length, and works for so many seconds; time jumps."""
    bodies = Admission(10_000, 0, "uploading")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert bodies.at_work == 1000, "what it may grow to"
        while (await receive()).get("more_body"):
            pass
        await asyncio.sleep(work)
        await Response("read")(scope, receive, send)

    async def post() -> int:
        async with client_of(app, bodies) as client:
            return (await client.post("/", content=body, headers={"Content-Encoding": encoding})).status_code

    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(post())


async def endless() -> AsyncIterator[bytes]:
    yield b"x"
    await asyncio.Event().wait()


async def whole() -> AsyncIterator[bytes]:
    yield b"x"


def test_bodies_that_never_end_or_are_packed_are_refused() -> None:
    assert sent(endless()) == 504
    assert sent(whole(), encoding="gzip") == 415


def test_work_may_take_longer_than_a_body() -> None:
    assert sent(whole(), work=3600) == 200


async def test_an_answer_that_fails_midway_is_cut_off() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise LookupError

    async with client_of(app, Admission(1, 0, "uploading")) as client:
        with pytest.raises(LookupError):
            await client.get("/")


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


# ------------------------------------------------------------------ admission


async def hold(gate: Admission, weight: float, log: list[str], name: str, until: asyncio.Event) -> None:
    async with gate.hold(weight):
        log.append(name)
        await until.wait()


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_work_waits_in_order_for_its_weight() -> None:
    gate = Admission(100, 1000, "work")
    log: list[str] = []
    done = {name: asyncio.Event() for name in "abcd"}
    tasks = [asyncio.create_task(hold(gate, weight, log, name, done[name]))
             for name, weight in zip("abcd", (60, 60, 10, 40), strict=True)]  # fmt: skip
    await turns()
    assert log == ["a"]  # c would fit, but b was first
    done["a"].set()
    await turns()
    assert log == ["a", "b", "c"]
    assert (gate.at_work, gate.waiting) == (70, 40)
    for event in done.values():
        event.set()
    await asyncio.gather(*tasks)
    assert (gate.at_work, gate.waiting) == (0, 0)


async def test_a_full_queue_refuses_at_once() -> None:
    gate, never = Admission(10, 20, "decoding"), asyncio.Event()
    tasks = [asyncio.create_task(hold(gate, 10, [], "x", never)) for _ in range(3)]
    await turns()
    with pytest.raises(AtCapacity, match="too much decoding at once") as caught:
        async with gate.hold(1):
            pass
    assert caught.value.retry_after
    never.set()
    await asyncio.gather(*tasks)


async def test_what_is_heavier_than_all_runs_alone() -> None:
    gate = Admission(10, 100, "work")
    async with gate.hold(1000):
        assert gate.at_work == 10


@given(st.lists(st.tuples(st.integers(1, 120), st.sampled_from(["finish", "cancel", "fail"])), max_size=25), st.data())
def test_every_weight_comes_back(jobs: list[tuple[int, str]], data: st.DataObject) -> None:
    async def scenario() -> None:
        gate = Admission(100, 300, "work")

        async def one(weight: int, ending: str, go: asyncio.Event) -> None:
            async with gate.hold(weight):
                assert gate.at_work <= 100
                await go.wait()
                if ending == "fail":
                    raise RuntimeError

        events = [asyncio.Event() for _ in jobs]
        tasks = [asyncio.create_task(one(w, e, go)) for (w, e), go in zip(jobs, events, strict=True)]
        for index in data.draw(st.permutations(range(len(jobs)))):
            await turns(data.draw(st.integers(0, 3)))
            tasks[index].cancel() if jobs[index][1] == "cancel" else events[index].set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (gate.at_work, gate.waiting) == (0, 0)

    asyncio.run(scenario())
