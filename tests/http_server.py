"""A perkie server in this process, on a free loopback port, with engines and clocks of the test's choice."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from perkie_cli.bootstrap import Profile, Services, build_services
from perkie_cli.config.schema import HttpSettings, Settings
from perkie_cli.domain.secret import Secret
from perkie_cli.http.app import create_app
from perkie_cli.http.limits.patience import Patience
from perkie_cli.http.parts import Parts
from perkie_cli.http.server import Server, listen
from perkie_cli.telemetry.log import EventLog, handler_on
from tests.engines import Centre, Negative
from tests.pictures import file_of, photo

PHOTO = file_of(photo(320, 280))
PHOTO64 = base64.b64encode(PHOTO).decode()
API_KEY, OTHER_KEY, EXPIRED_KEY = "a long random key", "another long random key", "last year's key"
JWT_SECRET = Secret("an HS256 secret of more than thirty-two bytes")
PROXY_SECRET = Secret("hush")


@dataclass
class Running:
    """A server under test."""

    client: httpx.AsyncClient
    server: Server
    services: Services
    engine: Negative
    local: Negative  # what the ladder falls back to
    matting: Centre

    @property
    def url(self) -> str:
        """Its address."""
        return str(self.client.base_url).rstrip("/")

    @property
    def parts(self) -> Parts:
        """What the app under test is made of."""
        app = self.server.config.app
        assert isinstance(app, FastAPI)
        parts = app.state.parts
        assert isinstance(parts, Parts)
        return parts

    async def generate(self, **body: Any) -> httpx.Response:
        headers = body.pop("headers", {})
        return await self.client.post(
            "/api/v1/generate", json={"image_data": PHOTO64, "style": "ink_wash", **body}, headers=headers
        )

    async def reserved(self) -> int:
        """Live quota leases in the store."""
        status = await self.services.quotas.status(self.services.quota_limits.charge(self.owner, None))
        assert status is not None
        return status.in_flight

    async def gave_back(self) -> None:
        """Waits until a drawing was cancelled and no lease is left."""
        async with asyncio.timeout(40):  # at the deadline of 50 s it would come back in any case
            while not self.engine.cancelled or await self.reserved():  # noqa: ASYNC110  # seen from outside only
                await asyncio.sleep(0.01)

    @property
    def owner(self) -> Any:
        from perkie_cli.domain.people.identity import Owner

        return Owner.session("s1")


def _key(name: str, key: str, scopes: str, more: str = "") -> str:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return f'[[key]]\nname = "{name}"\nsha256 = "{digest}"\nscopes = {scopes}\n{more}'


def secured(home: Path, **changes: Any) -> HttpSettings:
    """Every auth mode but none, with known secrets; quiet rate limits."""
    keys = home / "keys.toml"
    keys.write_text(
        _key("shop", API_KEY, '["generate", "matting", "storage"]')
        + _key("office", OTHER_KEY, '["generate", "act-as", "metrics", "no-rate-limit"]')
        + _key("old", EXPIRED_KEY, '["generate"]', "expires = 2020-01-01T00:00:00Z\n")
    )
    settings = HttpSettings(
        auth=("api-key", "jwt", "shopify-proxy"),
        api_keys=keys,
        jwt_secret=JWT_SECRET,
        shopify_secret=PROXY_SECRET,
        trusted_hops=1,
    )
    return replace(settings, **changes)


@contextmanager
def server_log(level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """What a server in this process logs meanwhile, as on its stderr."""
    logger, text = logging.getLogger("perkie"), io.StringIO()
    handler, before = handler_on(text), logger.level
    logger.addHandler(handler)
    logger.setLevel(level)
    try:
        yield text
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


@asynccontextmanager
async def running(
    http: HttpSettings | None = None,
    settings: Settings | None = None,
    patience: Patience | None = None,
    **parts: Any,
) -> AsyncIterator[Running]:
    """Serves until the block ends."""
    engine, local, matting = Negative(), Negative("local"), Centre()
    engines = {"auto": engine, "negative": engine, "local": local}
    settings = replace(settings or Settings(), http=replace(http or HttpSettings(), port=0))
    services = build_services(
        settings,
        profile=Profile.SERVER,
        **{"engines": engines, "local": local, "matting_engines": {"auto": matting}, "listener": EventLog(), **parts},
    )
    app = create_app(services, patience=patience)
    with listen(settings.http) as bound:
        server = Server(app, settings.http.stop_within.total_seconds())
        serving = asyncio.create_task(server.serve(sockets=[bound]))
        host, port = bound.getsockname()[:2]
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}", timeout=100) as client:
            try:
                yield Running(client, server, services, engine, local, matting)
            finally:
                engine.gate.set()
                server.should_exit = True
                await serving
