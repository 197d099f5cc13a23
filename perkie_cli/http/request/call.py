"""One request with its caller: what every route asks for before it does anything."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from fastapi import Request
from starlette.requests import HTTPConnection

from perkie_cli.auth.peer import client_address
from perkie_cli.auth.principal import Principal, Scope
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.people.proof import Requester, identify
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.removebg import PREFIX as REMOVEBG
from perkie_cli.http.answer.removebg import rate_headers
from perkie_cli.http.limits.shutdown import while_wanted
from perkie_cli.http.middleware import extra_headers, ids_of
from perkie_cli.http.parts import Parts, parts_of
from perkie_cli.http.request.origins import check_local
from perkie_cli.http.request.query import check_query
from perkie_cli.services.shop.idempotency import Repeatable

T = TypeVar("T")
PROXY_PREFIX = "/apps/perkie"
GRACE = timedelta(seconds=1)  # more than the work itself is told, so that its own word about the deadline comes first
KEY = re.compile(r"[!-~]{1,255}")  # of an Idempotency-Key


@dataclass(frozen=True, slots=True)
class Repeat(Generic[T]):
    """What makes a request the same as one before: ``payload`` of ``owner``; ``weigh`` as for ``Repeatable``."""

    owner: Owner
    payload: tuple[object, ...]
    weigh: Callable[[T], int | None]


@dataclass(frozen=True, slots=True)
class Call:
    """``address`` is the client's, as far as proxies are trusted."""

    request: HTTPConnection
    parts: Parts
    principal: Principal
    address: str

    @property
    def request_id(self) -> str:
        """For answers and logs."""
        return ids_of(self.request.scope).request_id

    @property
    def idempotency_key(self) -> str | None:
        """The client's own, if it sent one.

        Raises: InvalidFields for an unusable one.
        """
        given = self.request.headers.getlist("idempotency-key")
        if given and (len(given) > 1 or not KEY.fullmatch(given[0])):
            raise InvalidFields("Idempotency-Key is not 1 to 255 visible ASCII characters", hint="Send a UUID.")
        return given[0] if given else None

    def requester(self, customer: str | None = None, session: str | None = None) -> Requester:
        """Whose pictures these are. ``customer`` and ``session`` are claims of the request.

        Raises: Forbidden, InvalidIdentity.
        """
        limits = self.parts.services.quota_limits
        return identify(self.principal.credential, limits, address=self.address, customer=customer, session=session)

    def admit(self) -> None:
        """For costly work: not once the server stops, not over the address's rate.

        Raises: Unavailable, RateLimited.
        """
        self.parts.shutdown.check()
        self.meter(ip=Owner.address(self.address).id)

    def meter(self, **keys: str) -> None:
        """Counts a costly request by ``ip`` or ``session``, and announces what is left.

        Raises: RateLimited.
        """
        if not self.principal.rate_limited:
            return
        outcome = self.parts.limiter.check(keys, self.parts.services.clock.monotonic())
        headers = extra_headers(self.request.scope)
        for name, value in outcome.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if self.request.url.path.startswith(REMOVEBG):
            headers |= rate_headers(outcome, self.parts.services.clock.now().timestamp())
        if outcome.error is not None:
            raise outcome.error

    async def work(self, work: Callable[[], Awaitable[T]], deadline: timedelta, repeat: Repeat[T] | None = None) -> T:
        """``work()`` while the client waits for it, within the route's deadline; ``repeat`` as for ``once``.

        Raises: Interrupted, DeadlineExceeded, Unavailable, and as ``once``.
        """
        assert isinstance(self.request, Request), "a WebSocket has its own way to notice that its client left"
        return await while_wanted(
            self.request, self.parts.shutdown, self.once(work, deadline, repeat), deadline + GRACE
        )

    async def once(self, work: Callable[[], Awaitable[T]], deadline: timedelta, repeat: Repeat[T] | None) -> T:
        """``work()``, or what it gave before under the same ``Idempotency-Key`` of the same owner and route.

        Without ``repeat`` keys mean nothing to the route. ``deadline``: the most that the work may take.

        Raises: InvalidFields for an unusable key, IdempotencyMismatch, and whatever ``work`` raises.
        """
        if repeat is None or (given := self.idempotency_key) is None:
            return await work()
        key = repr((self.principal.name, str(repeat.owner), self.request.url.path, given))
        digest = hashlib.sha256(repr(repeat.payload).encode()).hexdigest()
        return await self.parts.services.idempotency.run(Repeatable(key, digest, work, repeat.weigh, deadline))


def calling(scope: Scope | None, *, costly: bool = True) -> Callable[[Request], Awaitable[Call]]:
    """The dependency of a route that needs ``scope`` (None: any credential).

    ``costly`` routes are rate limited, and refused once the server stops.
    """

    async def call(request: Request) -> Call:
        made = authenticated(request, request.headers)
        check_query(request, proxied=behind_proxy(request))
        if scope is not None:
            made.principal.require(scope)
        if costly:
            made.admit()
        return made

    return call


def signed(request: HTTPConnection) -> None:
    """The dependency of all that is served behind Shopify's app proxy, also where no credentials are asked for.

    Raises: NotAuthorised.
    """
    parts = parts_of(request)
    parts.authenticator.proxied(request.url.query, parts.services.clock.now())


def behind_proxy(request: HTTPConnection) -> bool:
    """Whether the request came through Shopify's app proxy."""
    return request.url.path.startswith(f"{PROXY_PREFIX}/")


def authenticated(request: HTTPConnection, headers: Mapping[str, str]) -> Call:
    """The call with its caller, by ``headers``.

    Raises: NotAuthorised, Forbidden.
    """
    parts = parts_of(request)
    now = parts.services.clock.now()
    if parts.authenticator.open and not parts.settings.allow_open:
        check_local(request.url.hostname, request.headers.get("origin"), parts.settings.origins)
    hops = parts.settings.trusted_hops
    if behind_proxy(request):
        principal = parts.authenticator.proxied(request.url.query, now).principal
        hops += 1  # Shopify's own
    else:
        principal = parts.authenticator.caller(headers, now)
    peer = request.client.host if request.client else "127.0.0.1"
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return Call(request, parts, principal, client_address(peer, forwarded, hops))
