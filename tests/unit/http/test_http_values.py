"""Problems, negotiation, origins and event streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain import errors
from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.answer.problems import NotAcceptable, problem
from perkie_cli.http.answer.sse import event, with_keep_alive
from perkie_cli.http.request import origins
from perkie_cli.http.request.accept import IMAGES, JSON, negotiate

ALL_ERRORS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, PerkieError) and each.http_status >= 400
]


@pytest.mark.parametrize("kind", ALL_ERRORS)
def test_every_error_is_a_problem(kind: type[PerkieError]) -> None:
    told = problem(kind("what was wrong at /srv/secret", hint="do this", retry_after=1.2), "r1")
    assert told.body["type"] == f"urn:perkie:problem:{kind.code}"
    assert told.status == kind.http_status
    assert told.headers["Retry-After"] == "2"
    assert told.headers["Cache-Control"] == "no-store"
    comes_back = told.status == 503 and kind.retryable
    assert ("Retry-After" in problem(kind("x"), "r1").headers) is comes_back


def test_the_operators_troubles_stay_inside() -> None:
    for kind in (errors.StoreUnavailable, errors.UpstreamTimeout, errors.DailyCapReached):
        told = problem(kind("https://private-host does not answer", hint="check the key"), "r1")
        assert "private-host" not in str(told.body)
        assert "hint" not in told.body


OFFERS = (JSON, *IMAGES)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("image/webp", "image/webp"),
        ("image/*", "image/jpeg"),
        ("image/avif,image/webp,*/*;q=0.8", "image/webp"),
        ("application/json;q=0.5, image/png", "image/png"),
        ("image/*;q=0.9, image/jpeg;q=0.1", "image/png"),
        ("IMAGE/PNG", "image/png"),
    ],
)
def test_negotiation(accept: str | None, expected: str) -> None:
    assert negotiate(accept, OFFERS) == expected


@pytest.mark.parametrize("accept", ["text/html", "image/png;q=0", "application/json;q=x"])
def test_nothing_acceptable(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        negotiate(accept, OFFERS)


@given(st.text(max_size=200))
def test_any_accept_header_is_answered(accept: str) -> None:
    with contextlib.suppress(NotAcceptable):
        assert negotiate(accept, OFFERS) in OFFERS


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("https://x.myshopify.com", True),
        ("https://my-shop-2.myshopify.com", True),
        ("http://x.myshopify.com", False),
        ("https://x.myshopify.com.evil.com", False),
        ("https://evil.com/x.myshopify.com", False),
        ("https://evilmyshopify.com", False),
        ("https://.myshopify.com", False),
        ("https://a.b.myshopify.com", False),
        ("https://x.myshopify.com:8443", False),
    ],
)
def test_shops_are_matched_whole(origin: str, allowed: bool) -> None:
    assert origins.allowed(origin, ()) is allowed


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (None, True),
        ("http://localhost:3000", True),
        ("http://127.1.2.3:5173", True),
        ("https://[::1]:8443", True),
        ("https://listed.example", True),
        ("http://studio.lan:8080", True),  # the server's own page
        ("http://studio.lan", False),
        ("https://x.myshopify.com", False),
        ("https://evil.com", False),
        ("null", False),
        ("", False),
        ("http://[", False),
        ("http://localhost.evil.com", False),
        ("http://127.0.0.1.evil.com:80", False),
        ("http://localhost\n", False),
        ("https://evil.com, http://localhost", False),
    ],
)
def test_an_open_server_listens_to_its_own_pages(origin: str | None, passes: bool) -> None:
    with contextlib.nullcontext() if passes else pytest.raises(errors.Forbidden):
        origins.check_page(origin, "studio.lan:8080", ("https://listed.example",))


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("127.0.0.1", True),
        ("127.0.0.1:8080", True),
        ("localhost:", True),
        ("LOCALHOST:8080", True),
        ("[::1]:8080", True),
        ("[::1]", True),
        ("::1", False),  # no Host header: the address needs its brackets
        ("rebound.evil.com", False),
        ("rebound_evil.com:8080", False),  # the framework's own pattern knows no underscore
        ("rebound.evil.com.", False),
        ("rebound\u00e9.evil.com", False),
        ("evil.com:8080:8080", False),
        ("localhost@evil.com", False),
        ("evil.com#localhost", False),
        ("localhost,evil.com", False),
        ("localhost evil.com", False),
        ("[localhost]", False),
        ("", False),
        (None, False),
    ],
)
def test_an_open_local_server_has_no_foreign_name(host: str | None, passes: bool) -> None:
    with contextlib.nullcontext() if passes else pytest.raises(errors.Forbidden):
        origins.check_host(host)


# ------------------------------------------------------------------ server-sent events


async def test_silence_is_filled_and_leaving_closes_the_stream() -> None:
    closed = asyncio.Event()
    go = asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            yield event("accepted", {"a": 1}, 1)
            await go.wait()
            yield b"second"
        finally:
            closed.set()

    source = stream()
    events = with_keep_alive(source, 0.001)
    assert await anext(events) == b'id: 1\nevent: accepted\ndata: {"a":1}\n\n'
    assert await anext(events) == b": still at work\n\n"
    go.set()
    while (chunk := await anext(events)).startswith(b":"):
        pass
    assert chunk == b"second"
    go.clear()
    assert [each async for each in events] == []
    assert closed.is_set()


async def test_a_reader_that_leaves_ends_the_work() -> None:
    closed = asyncio.Event()

    async def stream() -> AsyncGenerator[bytes, None]:
        try:
            yield b"first"
            await asyncio.Event().wait()
        finally:
            closed.set()

    for read in (1, 2):  # between two events, and waiting for one
        closed.clear()
        events = with_keep_alive(stream(), 0.001)
        for _ in range(read):
            await anext(events)
        await events.aclose()
        assert closed.is_set()
