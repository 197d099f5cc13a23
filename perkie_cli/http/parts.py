"""The parts that routes share, built once per server."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from starlette.requests import HTTPConnection

from perkie_cli.auth.authenticate import Authenticator, build_authenticator
from perkie_cli.auth.credentials import Credentials
from perkie_cli.bootstrap import Services
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.frozen import frozen
from perkie_cli.http.answer.links import LinkSigner
from perkie_cli.http.limits.bodies import Bodies
from perkie_cli.http.limits.gcra import Gcra, Rate
from perkie_cli.http.limits.patience import Patience
from perkie_cli.http.limits.rate_limits import RateLimiter
from perkie_cli.http.limits.shutdown import Shutdown
from perkie_cli.http.readiness import Readiness
from perkie_cli.http.request.owner_tag import OwnerTags
from perkie_cli.http.request.public_address import PublicAddress

# https://docs.cloud.google.com/storage/docs/access-control/signed-urls
_LONGEST_SIGNED = timedelta(days=7)


@frozen
class Parts:
    """``services`` do the work; the rest is for serving it."""

    services: Services
    settings: HttpSettings
    credentials: Credentials
    limiter: RateLimiter
    links: LinkSigner
    owner_tags: OwnerTags
    public_address: PublicAddress
    bodies: Bodies
    patience: Patience
    parsing: asyncio.Semaphore  # of large bodies: one at a time bounds the memory, and leaves the interpreter to others
    warmups: Gcra
    readiness: Readiness
    shutdown: Shutdown

    @property
    def authenticator(self) -> Authenticator:
        """Checks credentials, as they are now."""
        return self.credentials.current


def build_parts(services: Services, patience: Patience) -> Parts:
    """The parts of one server over ``services``, which were built for one.

    Raises: InvalidSetting; TypeError for the services of a command.
    """
    _check(services)
    settings = _with_secrets(services)
    secret = settings.link_secret.reveal().encode() if settings.link_secret else secrets.token_bytes(32)
    minute = 60.0
    return Parts(
        services=services,
        settings=settings,
        credentials=Credentials(
            build_authenticator(settings),
            lambda: build_authenticator(_with_secrets(services)),
            _credential_files(services.settings.http),
        ),
        limiter=RateLimiter(
            {
                "ip": Rate(settings.rate_ip, minute, settings.rate_burst),
                "session": Rate(settings.rate_session, minute, settings.rate_burst),
            }
        ),
        links=LinkSigner(secret),
        owner_tags=OwnerTags(secret),
        public_address=PublicAddress(settings.public_url, settings.trusted_hops),
        bodies=Bodies(settings.max_bodies, settings.max_body, patience.room),
        patience=patience,
        parsing=asyncio.Semaphore(1),
        warmups=Gcra(Rate(settings.warmups, 3600.0, settings.warmups)),
        readiness=Readiness(services, settings.role),
        shutdown=Shutdown(settings.stop_within),
    )


def _with_secrets(services: Services) -> HttpSettings:
    """Resolves references to secrets before serving: no request has to wait, and nothing signs with one."""
    settings = services.settings.http
    return replace(
        settings,
        jwt_secret=services.resolved(settings.jwt_secret),
        shopify_secret=services.resolved(settings.shopify_secret),
        link_secret=services.resolved(settings.link_secret),
    )


def _credential_files(settings: HttpSettings) -> list[Path]:
    """The files that keys and secrets are read from again when they change; links in use must stay readable."""
    secrets_ = [each.file for each in (settings.jwt_secret, settings.shopify_secret) if each is not None]
    return [path for path in (settings.api_keys, *secrets_) if path is not None]


def _check(services: Services) -> None:
    settings = services.settings
    if settings.cache.store == "gcs" and settings.http.link_lifetime > _LONGEST_SIGNED:
        raise InvalidSetting("http.link_lifetime is over 7 days, the maximum for signed links of Cloud Storage")


def parts_of(request: HTTPConnection) -> Parts:
    """The parts of the app that serves the request."""
    parts: Parts = request.app.state.parts
    return parts
