"""Who gets in: every route with no, wrong, expired and foreign credentials; claims, forgeries, limits, origins."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode

import httpx
import jwt
import pytest

from perkie_cli.auth import shopify
from perkie_cli.auth.tokens import Tokens
from perkie_cli.domain.secret import Secret
from tests.http_server import (
    API_KEY,
    EXPIRED_KEY,
    JWT_SECRET,
    OTHER_KEY,
    PHOTO64,
    PROXY_SECRET,
    Running,
    running,
    secured,
)
from tests.pictures import file_of, photo

OPEN = {"/health", "/ready", "/api/v1/styles", "/api/v1/widget", "/openapi.json", "/", "/images/{token}"}
OFFICE, SHOP = {"X-API-Key": OTHER_KEY}, {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture
async def server(home: Path) -> AsyncIterator[Running]:
    async with running(secured(home)) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def token(secret: Secret = JWT_SECRET, customer: str | None = "42", age: timedelta = timedelta()) -> str:
    return Tokens(secret).mint(customer, "x.myshopify.com", datetime.now(UTC) - age).token


def signed(secret: Secret = PROXY_SECRET, age: int = 0, **parameters: str) -> str:
    pairs = [*({"shop": "x.myshopify.com", "timestamp": str(int(time.time()) - age)} | parameters).items()]
    return urlencode([*pairs, ("signature", shopify.signature(pairs, secret))])


REFUSED = {
    "none": {},
    "a wrong key": {"X-API-Key": "guessed"},
    "an expired key": {"X-API-Key": EXPIRED_KEY},
    "a foreign token": bearer(token(Secret("the secret of another installation of this"))),
    "an expired token": bearer(token(age=timedelta(hours=2))),
    "an unsigned token": bearer(jwt.encode({"aud": "perkie", "iat": 0, "exp": 9e9}, "", algorithm="none")),
    "a basic password": {"Authorization": "Basic cGVya2llOnBlcmtpZQ=="},
}


async def test_every_route_refuses_every_wrong_credential(server: Running) -> None:
    document = (await server.client.get("/openapi.json")).json()
    guarded = [(path, method) for path, methods in document["paths"].items() for method in methods if path not in OPEN]
    assert len(guarded) >= 6
    for path, method in guarded:
        if path == "/apps/perkie/token":
            continue  # asks for a signature, below
        for name, headers in REFUSED.items():
            answer = await server.client.request(method, path, headers=headers)
            if path.startswith("/v1.0/"):  # that API's own word for it
                assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "auth_failed")
                continue
            assert answer.status_code == 401, (path, method, name, answer.text)
            assert answer.headers["www-authenticate"].startswith("Bearer")
            assert answer.json()["type"] == "urn:perkie:problem:not_authorised"


async def test_the_proxy_path_asks_for_shopifys_signature(server: Running) -> None:
    wrong = {
        "none": "",
        "an API key": "",
        "another secret": signed(Secret("another")),
        "too old": signed(age=600),
        "changed": signed().replace("x.myshop", "y.myshop"),
    }
    for name, query in wrong.items():
        for path in ("token", "api/v1/generate", "api/v1/quota", "api/v1/styles", "images/x", "", "warmup"):
            method = "POST" if path in ("api/v1/generate", "warmup") else "GET"
            answer = await server.client.request(method, f"/apps/perkie/{path}?{query}", headers=SHOP)
            assert answer.status_code == 401, (name, path, answer.text)


async def test_credentials_that_are_right(server: Running) -> None:
    for headers in (SHOP, OFFICE, bearer(token()), bearer(token(customer=None))):
        assert (await server.generate(headers=headers)).status_code == 200
    proxied = await server.client.post(
        f"/apps/perkie/api/v1/generate?{signed(logged_in_customer_id='42')}",
        json={"image_data": PHOTO64, "style": "ink_wash"},
    )
    assert (proxied.status_code, proxied.json()["quota"]["tier"]) == (200, "customer")


async def test_the_minted_token_carries_the_customer(server: Running) -> None:
    answer = await server.client.get(f"/apps/perkie/token?{signed(logged_in_customer_id='42')}")
    made = await server.generate(headers=bearer(answer.json()["token"]))
    assert made.json()["quota"]["tier"] == "customer"
    logged_out = await server.client.get(f"/apps/perkie/token?{signed(logged_in_customer_id='')}")
    made = await server.generate(headers=bearer(logged_out.json()["token"]), session_id="s1")
    assert made.json()["quota"]["tier"] == "session"


async def test_customer_ids_are_proven_not_claimed(server: Running) -> None:
    for headers in (SHOP, bearer(token()), bearer(token(customer=None))):
        claimed = await server.generate(headers=headers, customer_id="43")
        assert (claimed.status_code, claimed.json()["type"]) == (403, "urn:perkie:problem:forbidden")
        quota = await server.client.get("/api/v1/quota", params={"customer_id": "43"}, headers=headers)
        assert quota.status_code == 403
    assert (await server.generate(headers=OFFICE, customer_id="43")).status_code == 200
    beside = await server.generate(headers=OFFICE, customer_id="43", session_id="../x")
    assert (beside.status_code, beside.json()["type"]) == (422, "urn:perkie:problem:invalid_identity")
    assert (await server.generate(headers=bearer(token()), customer_id="42")).status_code == 200


async def test_scopes(server: Running) -> None:
    assert (await server.client.get("/metrics", headers=SHOP)).status_code == 403
    assert (await server.client.get("/metrics", headers=OFFICE)).status_code == 200
    assert (await server.client.get("/metrics", headers=bearer(token()))).status_code == 403


async def test_pictures_of_others_stay_theirs(server: Running) -> None:
    mine = (await server.generate(headers=bearer(token()))).json()
    assert (await server.client.get(mine["image_url"])).status_code == 200
    own, other = bearer(token()), bearer(token(customer="43"))
    body = {"image_hash": mine["image_hash"], "style": "classic"}
    assert (await server.client.post("/api/v1/generate", json=body, headers=own)).status_code == 200
    assert (await server.client.post("/api/v1/generate", json=body, headers=other)).status_code == 404


@pytest.mark.parametrize("forged", ["", "6.6.6.6", "6.6.6.6, 7.7.7.7", "unknown"])
async def test_addresses_cannot_be_forged(server: Running, forged: str) -> None:
    """The trusted proxy appends what it saw; whatever the client wrote before it changes nothing."""
    seen = f"{forged}, 203.0.113.9" if forged else "203.0.113.9"
    answer = await server.client.get("/api/v1/quota", headers={**SHOP, "X-Forwarded-For": seen})
    assert answer.json()["quota"]["tier"] == "ip"
    made = await server.generate(headers={**SHOP, "X-Forwarded-For": seen})
    remaining = await server.client.get("/api/v1/quota", headers={**SHOP, "X-Forwarded-For": "203.0.113.9"})
    assert made.json()["quota"]["remaining"] == remaining.json()["quota"]["remaining"] == 4


async def test_behind_the_app_proxy_shopifys_own_address_is_passed_over(server: Running) -> None:
    seen = {"X-Forwarded-For": "6.6.6.6, 203.0.113.9, 23.227.38.1"}
    body = {"image_data": PHOTO64, "style": "ink_wash"}
    await server.client.post(f"/apps/perkie/api/v1/generate?{signed()}", json=body, headers=seen)
    visitor = await server.client.get("/api/v1/quota", headers={**SHOP, "X-Forwarded-For": "203.0.113.9"})
    assert visitor.json()["quota"]["remaining"] == 4


async def test_a_flood_is_told_to_slow_down(home: Path) -> None:
    async with running(secured(home, rate_ip=1, rate_burst=3)) as server:
        answers = [await server.generate(headers=SHOP) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        refused = answers[-1]
        assert refused.json()["type"] == "urn:perkie:problem:rate_limited"
        assert refused.json()["detail"] == "too many requests by this ip: at most 1 in 60 s, and 3 at once"
        assert "scope no-rate-limit" in refused.json()["hint"], "a back end's key was made without it"
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit-policy"] == '"ip";q=1;w=60'
        assert refused.headers["ratelimit"].startswith('"ip";r=0;t=')
        assert answers[0].headers["ratelimit"].startswith('"ip";r=2;t=')
        # Failures count as well; a key with the scope is exempt; health and the catalogue are free.
        assert (await server.client.post("/api/v1/generate", headers=SHOP)).status_code == 429
        assert (await server.generate(headers=OFFICE)).status_code == 200
        assert (await server.client.get("/health")).status_code == 200
        quota = await server.client.get("/api/v1/quota", headers=SHOP)
        assert quota.status_code == 200


async def test_a_household_of_addresses_has_one_rate(home: Path) -> None:
    async with running(secured(home, rate_burst=2)) as server:
        for number in range(3):
            seen = {**SHOP, "X-Forwarded-For": f"2001:db8:1:2::{number}"}
            answer = await server.client.post("/api/v1/generate", headers=seen)
        assert answer.status_code == 429


async def test_sessions_have_a_rate_of_their_own(home: Path) -> None:
    async with running(secured(home, rate_burst=3, rate_session=1)) as server:
        await server.generate(headers=SHOP, session_id="s1")
        answer = await server.generate(headers=SHOP, session_id="s1")
        assert answer.headers["ratelimit-policy"] == '"ip";q=100;w=60, "session";q=1;w=60'


async def test_quota_ends_with_the_time_it_comes_back(server: Running) -> None:
    for style in ("ink_wash", "classic", "perkie_print"):
        assert (await server.generate(headers=SHOP, session_id="s1", style=style)).status_code == 200
    hit = await server.generate(headers=SHOP, session_id="s1")
    assert (hit.status_code, hit.json()["quota"]["warning"]) == (200, "exhausted")
    status = await server.client.get("/api/v1/quota", params={"session_id": "s1"}, headers=SHOP)
    assert status.json()["quota"] == hit.json()["quota"]
    picture = await server.generate(headers={**SHOP, "Accept": "image/*"}, session_id="s1")
    told = {name: picture.headers[f"x-perkie-quota-{name}"] for name in ("tier", "limit", "remaining", "warning")}
    assert told == {"tier": "session", "limit": "3", "remaining": "0", "warning": "exhausted"}
    other = base64.b64encode(file_of(photo(300, 300))).decode()
    refused = await server.generate(headers=SHOP, session_id="s1", image_data=other)
    assert (refused.status_code, refused.json()["type"]) == (429, "urn:perkie:problem:quota_exceeded")
    assert 0 < int(refused.headers["retry-after"]) <= 86400


async def test_origins(server: Running) -> None:
    for origin, allowed in {
        "https://x.myshopify.com": True,
        "https://x.myshopify.com.evil.com": False,
        "http://x.myshopify.com": False,
        "https://evil.com": False,
        "null": False,
    }.items():
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = await server.client.options("/api/v1/generate", headers=asked)
        answer = await server.generate(headers={**SHOP, "Origin": origin, "Accept": "image/*"})
        told = {name for name in answer.headers if name.startswith("x-perkie-")}
        assert told <= set(answer.headers.get("access-control-expose-headers", "").lower().split(", ")) or not allowed
        for each in (preflight, answer):
            assert each.headers.get("access-control-allow-origin") == (origin if allowed else None), origin
    listed = replace(server.services.settings.http, origins=("https://perkieprints.com",))
    async with running(listed) as other:
        asked = {"Origin": "https://perkieprints.com", "Access-Control-Request-Method": "POST"}
        assert (await other.client.options("/api/v1/generate", headers=asked)).status_code == 200


async def test_secrets_are_in_no_answer_and_no_log(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    secrets = [API_KEY, OTHER_KEY, JWT_SECRET.reveal(), token()]
    answers: list[httpx.Response] = []
    for headers in (SHOP, OFFICE, bearer(secrets[-1]), {"X-API-Key": f"{API_KEY}x"}):
        answers.append(await server.generate(headers=headers))
        answers.append(await server.client.get("/metrics", headers=headers))
        answers.append(await server.client.post("/api/v1/generate", content=b"{", headers=headers))
    told = caplog.text + "".join(f"{a.headers}{a.text}" for a in answers)
    assert not [secret for secret in secrets if secret in told]
