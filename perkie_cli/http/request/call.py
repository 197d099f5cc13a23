"""One request with its caller: the first dependency of every route."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Generic, TypeVar

from fastapi import Request
from starlette.requests import HTTPConnection

from perkie_cli.auth.peer import client_address
from perkie_cli.auth.principal import Principal, Scope
from perkie_cli.auth.shopify import OWN_PARAMETERS
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.events import RateRefused
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.people.proof import Proof, Requester, identify
from perkie_cli.http.answer.problems import InvalidFields
from perkie_cli.http.answer.removebg import PREFIX as REMOVEBG
from perkie_cli.http.answer.removebg import rate_headers
from perkie_cli.http.limits.shutdown import while_wanted
from perkie_cli.http.middleware import extra_headers, ids_of
from perkie_cli.http.parts import Parts, parts_of
from perkie_cli.http.request.fields import refuse_repeated, refuse_unknown
from perkie_cli.http.request.origins import check_host, check_page
from perkie_cli.services.shop.idempotency import Repeatable
from perkie_cli.system.current_request import current_request

T = TypeVar("T")
PROXY_PREFIX = "/apps/perkie"
GRACE = timedelta(seconds=1)  # longer than the work's own deadline, so that the work's own error comes first
KEY = re.compile(r"[!-~]{1,255}")  # an Idempotency-Key


@frozen
class Repeat(Generic[T]):
    """Identifies a repeated request: the same ``payload`` of the same ``owner``; ``weigh`` as in ``Repeatable``."""

    owner: Owner
    payload: tuple[object, ...]
    weigh: Callable[[T], int | None]


@frozen
class Call:
    """One request and its caller. ``address`` is the client's, according to the trusted proxies."""

    request: HTTPConnection
    parts: Parts
    principal: Principal
    address: str

    @property
    def request_id(self) -> str:
        """The id for answers and logs."""
        return ids_of(self.request.scope).request_id

    @property
    def idempotency_key(self) -> str | None:
        """The client's ``Idempotency-Key``, if it sent one.

        Raises: InvalidFields for an invalid one.
        """
        given = self.request.headers.getlist("idempotency-key")
        if given and (len(given) > 1 or not KEY.fullmatch(given[0])):
            raise InvalidFields("Idempotency-Key is not 1 to 255 visible ASCII characters", hint="Send a UUID.")
        return given[0] if given else None

    def requester(self, customer: str | None = None, session: str | None = None) -> Requester:
        """The identity behind the request. ``customer`` and ``session`` are claims of the request.

        Raises: Forbidden, InvalidIdentity.
        """
        limits = self.parts.services.quota_limits
        credential = self.principal.credential
        found = identify(credential, limits, address=self.address, customer=customer, session=session)
        if (request := current_request()) is not None:
            request.owner = self.parts.owner_tags(found.owner)
        return found

    def admit(self) -> None:
        """Admits an expensive request, unless the server is stopping or the address is over its rate.

        Raises: Unavailable, RateLimited.
        """
        self.parts.shutdown.check()
        self.meter(ip=Owner.address(self.address).id)

    def meter(self, **keys: str) -> None:
        """Counts an expensive request by ``ip`` or ``session``, and sets the headers with the remainder.

        Raises: RateLimited.
        """
        if not self.principal.rate_limited:
            return
        outcome = self.parts.limiter.check(keys, self.parts.services.clock.monotonic())
        headers = extra_headers(self.request.scope)
        for name, value in outcome.headers.items():
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        if self.request.scope["path"].startswith(REMOVEBG):
            headers |= rate_headers(outcome, self.parts.services.clock.now().timestamp())
        if outcome.error is not None:
            self.parts.services.events.emit(RateRefused(outcome.refused_by or ""))
            if self.principal.credential.proof is Proof.API_KEY:
                outcome.error.hint = f"{outcome.error.hint} A back end's key may have the scope {Scope.NO_RATE_LIMIT}."
            raise outcome.error

    async def work(self, work: Callable[[], Awaitable[T]], deadline: timedelta, repeat: Repeat[T] | None = None) -> T:
        """Runs ``work()`` while the client waits, within the route's deadline; ``repeat`` as in ``once``.

        Raises: Interrupted, DeadlineExceeded, Unavailable, and as ``once``.
        """
        assert isinstance(self.request, Request), "WebSockets detect by themselves that the client left"
        return await while_wanted(self.request, self.parts.shutdown, self.once(work, repeat), deadline + GRACE)

    async def once(self, work: Callable[[], Awaitable[T]], repeat: Repeat[T] | None) -> T:
        """Runs ``work()``, or returns its earlier result for the same ``Idempotency-Key`` of the same owner and route.

        Without ``repeat`` the route ignores keys.

        Raises: InvalidFields for an invalid key, IdempotencyMismatch, and the errors of ``work``.
        """
        if repeat is None or (given := self.idempotency_key) is None:
            return await work()
        key = repr((self.principal.name, str(repeat.owner), self.request.url.path, given))
        digest = hashlib.sha256(repr(repeat.payload).encode()).hexdigest()
        return await self.parts.services.idempotency.run(Repeatable(key, digest, work, repeat.weigh))


def calling(scope: Scope | None, *, costly: bool = True) -> Callable[[Request], Awaitable[Call]]:
    """The dependency of a route that needs ``scope`` (None: any credential).

    ``costly`` routes are rate limited, and refused while the server is stopping.
    """

    async def call(request: Request) -> Call:
        made = authenticated(request, request.headers)
        _check_query(request, proxied=behind_proxy(request))
        if scope is not None:
            made.principal.require(scope)
        if costly:
            made.admit()
        return made

    return call


def signed(request: HTTPConnection) -> None:
    """The dependency of routes behind Shopify's app proxy; it also checks the signature if no credentials are required.

    Raises: NotAuthorised.
    """
    parts = parts_of(request)
    parts.authenticator.proxied(request.url.query, parts.services.clock.now())


def behind_proxy(request: HTTPConnection) -> bool:
    """Whether the request came through Shopify's app proxy."""
    path: str = request.scope["path"]
    return path.startswith(f"{PROXY_PREFIX}/")


def authenticated(request: HTTPConnection, headers: Mapping[str, str]) -> Call:
    """The call with the caller from ``headers``.

    Raises: NotAuthorised, Forbidden.
    """
    parts = parts_of(request)
    now = parts.services.clock.now()
    if parts.authenticator.open:
        _check_local(request, parts.settings)
    hops = parts.settings.trusted_hops
    if behind_proxy(request):
        principal = parts.authenticator.proxied(request.url.query, now).principal
        hops += 1  # Shopify's own proxy
    else:
        principal = parts.authenticator.caller(headers, now)
    if (current := current_request()) is not None:
        current.caller = principal.log_name
    peer = request.client.host if request.client else "127.0.0.1"
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    return Call(request, parts, principal, client_address(peer, forwarded, hops))


def _check_local(request: HTTPConnection, settings: HttpSettings) -> None:
    host = request.headers.get("host")
    if not settings.allow_open:
        check_host(host)
    check_page(request.headers.get("origin"), host, settings.origins)


def _check_query(request: Request, *, proxied: bool) -> None:
    """Checks the names of the query. ``proxied``: Shopify's own parameters are allowed; the signature covers them.

    Raises: InvalidFields.
    """
    if not request.scope["query_string"]:
        return
    known = {field.alias for field in request.scope["route"].dependant.query_params}
    given = Counter(name for name, _ in request.query_params.multi_items())
    if proxied:
        for name in OWN_PARAMETERS - known:
            del given[name]
    refuse_unknown(given, known, "query parameter")
    refuse_repeated(given)
