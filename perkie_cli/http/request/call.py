"""One request with its caller: what every route asks for before it does anything."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import HTTPConnection

from perkie_cli.auth.peer import client_address
from perkie_cli.auth.principal import Principal, Scope
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.people.proof import Requester, identify
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.limits.shutdown import watched
from perkie_cli.http.middleware import extra_headers, ids_of
from perkie_cli.http.parts import Parts, parts_of
from perkie_cli.http.request.origins import check_local

T = TypeVar("T")
PROXY_PREFIX = "/apps/perkie"
GRACE = 1.0  # seconds more than the work itself is told, so that its own word about the deadline comes first
_LONGEST_KEY = 255


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
        """Raises: InvalidFields for an unusable one."""
        given = self.request.headers.get("idempotency-key")
        if given is not None and not 1 <= len(given) <= _LONGEST_KEY:
            raise InvalidFields(f"Idempotency-Key is not 1 to {_LONGEST_KEY} characters long")
        return given

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
        self.parts.life.check()
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
        if outcome.error is not None:
            raise outcome.error

    async def run(self, work: Coroutine[Any, Any, T], deadline: timedelta) -> T:
        """``work`` while the client waits for it, within the route's deadline; see ``life.watched``."""
        assert isinstance(self.request, Request), "a WebSocket has its own way to notice that its client left"
        return await watched(self.request, self.parts.life, work, deadline.total_seconds() + GRACE)

    async def once(
        self,
        owner: Owner,
        payload: tuple[object, ...],
        work: Callable[[], Awaitable[T]],
        weigh: Callable[[T], int | None],
        seconds: float,
    ) -> T:
        """``work()``, or what it gave before under the same ``Idempotency-Key`` of the same owner and route.

        ``payload`` tells one request from another, ``weigh`` gives a result's size in bytes or None for one that is
        not to be given again, ``seconds`` is the most that the work may take.

        Raises: InvalidFields for an unusable key, IdempotencyMismatch, and whatever ``work`` raises.
        """
        given = self.idempotency_key
        if given is None:
            return await work()
        key = repr((self.principal.name, str(owner), self.request.url.path, given))
        digest = hashlib.sha256(repr(payload).encode()).hexdigest()

        async def alone() -> T:
            # In this process twins join; the record does the same for all others that share the store.
            async with self.parts.services.idempotency.holding(key, digest, seconds):
                return await work()

        return await self.parts.idempotency.run(key, digest, alone, weigh)


def calling(scope: Scope | None, *, costly: bool = True) -> Callable[[Request], Awaitable[Call]]:
    """The dependency of a route that needs ``scope`` (None: any credential).

    ``costly`` routes are rate limited, and refused once the server stops.
    """

    async def call(request: Request) -> Call:
        made = authenticated(request, request.headers)
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


def authenticated(request: HTTPConnection, headers: Mapping[str, str]) -> Call:
    """The call with its caller, by ``headers``.

    Raises: NotAuthorised, Forbidden.
    """
    parts = parts_of(request)
    now = parts.services.clock.now()
    if parts.authenticator.open and not parts.settings.allow_open:
        check_local(request.url.hostname, request.headers.get("origin"), parts.settings.origins)
    hops = parts.settings.trusted_hops
    if request.url.path.startswith(f"{PROXY_PREFIX}/"):
        principal = parts.authenticator.proxied(request.url.query, now).principal
        hops += 1  # Shopify's own
    else:
        principal = parts.authenticator.caller(headers, now)
    peer = request.client.host if request.client else "127.0.0.1"
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return Call(request, parts, principal, client_address(peer, forwarded, hops))
