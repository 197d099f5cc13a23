"""Keys, tokens, proxy signatures and image links: what is genuine passes, nothing else does."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.auth import shopify
from perkie_cli.auth.api_keys import ApiKey, KeyRing, load_keys
from perkie_cli.auth.authenticate import Authenticator, build_authenticator
from perkie_cli.auth.principal import CUSTOMER, Principal, Scope
from perkie_cli.auth.tokens import Tokens
from perkie_cli.config.schema import HttpSettings
from perkie_cli.domain.errors import Forbidden, InvalidSetting, NotAuthorised
from perkie_cli.domain.people.proof import Proof
from perkie_cli.domain.secret import Secret
from perkie_cli.http.answer.links import LinkSigner
from tests.clock import START

SECRET = Secret("an HS256 secret of more than thirty-two bytes")
HUSH = Secret("hush")
VECTOR = (
    "extra=1&extra=2&shop=shop-name.myshopify.com&logged_in_customer_id=1"
    "&path_prefix=%2Fapps%2Fawesome_reviews&timestamp=1317327555"
)
SIGNATURE = "4c68c8624d737112c91818c11017d24d334b524cb5c2b8ba08daa056f7395ddb"


def ring() -> KeyRing:
    digest = hashlib.sha256(b"open sesame").hexdigest()
    old = hashlib.sha256(b"last year").hexdigest()
    return KeyRing([ApiKey("shop", digest, frozenset({"generate"})), ApiKey("old", old, CUSTOMER, START)])


# ------------------------------------------------------------------ API keys


def test_a_key_is_known_by_its_hash() -> None:
    caller = ring().authenticate("open sesame", START)
    assert (caller.name, caller.credential.proof) == ("shop", Proof.API_KEY)
    caller.require(Scope.GENERATE)
    with pytest.raises(Forbidden, match="'matting' scope"):
        caller.require(Scope.MATTING)


@pytest.mark.parametrize("presented", ["", "open sesame ", "OPEN SESAME", hashlib.sha256(b"open sesame").hexdigest()])
def test_other_keys_are_not(presented: str) -> None:
    with pytest.raises(NotAuthorised, match="not known"):
        ring().authenticate(presented, START)


def test_keys_end() -> None:
    assert ring().authenticate("last year", START - timedelta(seconds=1)).name == "old"
    with pytest.raises(NotAuthorised, match="expired"):
        ring().authenticate("last year", START)


KEY = '[[key]]\nname = "shop"\nsha256 = "' + "0" * 64 + '"\nscopes = ["generate"]\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (KEY.replace("generate", "root"), "the scopes of 'shop' are not from act-as, generate"),
        (KEY.replace('["generate"]', '"generate"'), "the scopes of 'shop'"),
        (KEY.replace("0" * 64, "open sesame"), "its sha256 in lower-case hex"),
        (KEY.replace("name", "title"), "needs a name"),
        (KEY + 'expires = "soon"', "expires of 'shop' is not a date and time"),
        ("[[key", "cannot be read"),
    ],
)
def test_a_wrong_key_file_is_told(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(InvalidSetting, match=r"keys\.toml") as caught:
        load_keys(tmp_path / "keys.toml")
    assert reason in caught.value.message


def test_keys_end_by_utc(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"open sesame").hexdigest()
    (tmp_path / "keys.toml").write_text(KEY.replace("0" * 64, digest) + "expires = 2026-11-21T12:00:01")
    assert load_keys(tmp_path / "keys.toml").authenticate("open sesame", START).name == "shop"


# ------------------------------------------------------------------ tokens


def test_a_token_names_its_customer_for_an_hour() -> None:
    tokens = Tokens(SECRET)
    minted = tokens.mint("42", "x.myshopify.com", START)
    caller = tokens.authenticate(minted.token, START + timedelta(minutes=59))
    assert (caller.credential.customer, caller.credential.scopes) == ("42", CUSTOMER)
    assert minted.expires_at == START + timedelta(hours=1)
    with pytest.raises(NotAuthorised, match="expired"):
        tokens.authenticate(minted.token, START + timedelta(hours=1))


def forged(secret: str = SECRET.reveal(), algorithm: str | None = "HS256", **changes: object) -> str:
    claims = {"aud": "perkie", "iat": START, "exp": START + timedelta(minutes=5), "sub": "42"} | changes
    return jwt.encode({k: v for k, v in claims.items() if v is not None}, secret, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        forged("another secret of more than thirty-two bytes"),
        forged("", None),
        forged(algorithm="HS512", secret=SECRET.reveal() * 2),
        forged(aud="someone else"),
        forged(exp=None),
        forged(iat=None),
        forged(exp=START + timedelta(days=30)),
        forged(iat=START + timedelta(hours=2), exp=START + timedelta(hours=2, minutes=5)),
        forged(nbf=START + timedelta(minutes=2)),
        forged(nbf="soon"),
        forged(sub="../../etc"),
        forged()[:-2],
        "a.b.c",
        "..",
    ],
)
def test_tokens_that_are_not_ours(token: str) -> None:
    with pytest.raises(NotAuthorised):
        Tokens(SECRET).authenticate(token, START)


@pytest.mark.parametrize(
    ("changes", "said", "hint"),
    [
        ({"exp": START + timedelta(hours=2)}, "valid for too long", "3600 s after iat"),
        ({"iat": START + timedelta(minutes=2), "exp": START + timedelta(minutes=9)}, "not valid yet", "clocks"),
        ({"nbf": START + timedelta(minutes=2)}, "not valid yet", "clocks"),
        ({"exp": START - timedelta(minutes=2)}, "has expired", "new one"),
    ],
)
def test_what_is_wrong_with_a_tokens_times_is_told(changes: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(NotAuthorised, match=said) as refused:
        Tokens(SECRET).authenticate(forged(**changes), START)
    assert hint in (refused.value.hint or "")


def test_a_token_can_only_narrow_its_scopes() -> None:
    caller = Tokens(SECRET).authenticate(forged(scope="generate metrics act-as"), START)
    assert caller.credential.scopes == {"generate"}


def test_a_clock_that_is_a_little_ahead_is_forgiven() -> None:
    assert Tokens(SECRET).authenticate(forged(iat=START + timedelta(seconds=50)), START).name == "customer 42"


def test_short_secrets_are_refused() -> None:
    with pytest.raises(InvalidSetting, match="fewer than 32 bytes"):
        Tokens(Secret("hush"))


# ------------------------------------------------------------------ Shopify


def moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(1317327555 + seconds, UTC)


def test_the_published_vector() -> None:
    call = shopify.verify(f"{VECTOR}&signature={SIGNATURE}", HUSH, (), moment(10))
    assert (call.shop, call.customer) == ("shop-name.myshopify.com", "1")
    assert call.principal.credential.customer == "1"


def signed(parameters: list[tuple[str, str]]) -> str:
    return urlencode([*parameters, ("signature", shopify.signature(parameters, HUSH))])


BASE = [("shop", "x.myshopify.com"), ("timestamp", "1317327555")]


def test_logged_out_visitors_have_no_customer() -> None:
    call = shopify.verify(signed([*BASE, ("logged_in_customer_id", "")]), HUSH, ("x.myshopify.com",), moment(0))
    assert call.customer is None


def test_callers_are_named_by_what_is_known_of_them() -> None:
    signed_in, visitor = (
        shopify.verify(signed([*BASE, ("logged_in_customer_id", customer)]), HUSH, (), moment(0))
        for customer in ("42", "")
    )
    assert (signed_in.principal.name, visitor.principal.name) == ("customer 42", "visitor of x.myshopify.com")


@pytest.mark.parametrize("seconds", [-301, -300, 300, 301])
def test_a_signature_lives_five_minutes_either_way(seconds: int) -> None:
    if abs(seconds) <= 300:
        assert shopify.verify(signed(BASE), HUSH, (), moment(seconds)).shop == "x.myshopify.com"
    else:
        with pytest.raises(NotAuthorised, match="too old"):
            shopify.verify(signed(BASE), HUSH, (), moment(seconds))


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (VECTOR, "carries no"),
        (f"{VECTOR}&signature={SIGNATURE}&signature={SIGNATURE}", "sent twice"),
        (f"{VECTOR}&signature={SIGNATURE[:-1]}0", "not valid"),
        (f"{VECTOR.replace('customer_id=1', 'customer_id=2')}&signature={SIGNATURE}", "not valid"),
        (f"{VECTOR}&signature=é", "not valid"),
        (f"{VECTOR}%FF&signature={SIGNATURE}", "not valid"),
        (signed([("shop", "x")]), "no timestamp"),
        (signed([("timestamp", "²")]), "no timestamp"),
        (signed([("timestamp", "1317320000")]), "too old"),
        (signed([("timestamp", "1317327856")]), "too old"),  # or too far ahead
        (signed([*BASE, ("logged_in_customer_id", "../1")]), "not valid"),
        (signed([*BASE, ("logged_in_customer_id", ""), ("logged_in_customer_id", "42")]), "sent twice"),
        (signed([("shop", "evil.myshopify.com"), ("shop", "x.myshopify.com"), *BASE]), "sent twice"),
        (signed([*BASE, *BASE]), "sent twice"),
        ("", "carries no"),
    ],
)
def test_what_shopify_did_not_sign(query: str, reason: str) -> None:
    with pytest.raises(NotAuthorised, match=reason):
        shopify.verify(query, HUSH, (), moment(0))


def test_other_shops_are_refused() -> None:
    with pytest.raises(NotAuthorised, match="not one of ours"):
        shopify.verify(signed(BASE), HUSH, ("y.myshopify.com",), moment(0))


@given(st.text(max_size=200))
def test_no_query_is_signed_by_chance(query: str) -> None:
    with pytest.raises(NotAuthorised):
        shopify.verify(query, HUSH, (), moment(0))


# ------------------------------------------------------------------ modes


def authenticator(*modes: str) -> Authenticator:
    return Authenticator("none" in modes, ring() if "api-key" in modes else None,
                         Tokens(SECRET) if "jwt" in modes else None, None, frozenset())  # fmt: skip


def caller(modes: tuple[str, ...], **headers: str) -> Principal:
    return authenticator(*modes).caller({name.replace("_", "-"): value for name, value in headers.items()}, START)


def test_keys_and_tokens_side_by_side() -> None:
    both = ("api-key", "jwt")
    assert caller(both, x_api_key="open sesame").name == "shop"
    assert caller(both, authorization="Bearer open sesame").name == "shop"
    assert caller(both, authorization=f"bearer {forged()}").name == "customer 42"


@pytest.mark.parametrize("headers", [{}, {"authorization": "Basic b3Blbg=="}, {"authorization": "Bearer "},
                                     {"x_api_key": "  "}, {"authorization": "open sesame"}])  # fmt: skip
def test_no_credentials(headers: dict[str, str]) -> None:
    with pytest.raises(NotAuthorised, match="no credentials"):
        caller(("api-key", "jwt"), **headers)


def test_a_token_is_no_key_and_a_key_no_token() -> None:
    with pytest.raises(NotAuthorised):
        caller(("api-key",), x_api_key=forged())
    with pytest.raises(NotAuthorised):
        caller(("jwt",), x_api_key="open sesame")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.4", "example.com"])
def test_open_doors_only_on_loopback(host: str) -> None:
    with pytest.raises(InvalidSetting, match="spend your money"):
        build_authenticator(HttpSettings(host=host))
    assert build_authenticator(HttpSettings(host=host, allow_open=True)).open
    assert build_authenticator(HttpSettings()).open


@pytest.mark.parametrize("mode", ["api-key", "jwt", "shopify-proxy"])
def test_modes_need_their_secrets(mode: str) -> None:
    with pytest.raises(InvalidSetting, match=f"http.auth = {mode} needs http"):
        build_authenticator(HttpSettings(auth=(mode,)))  # type: ignore[arg-type]


def test_none_excludes_the_others() -> None:
    with pytest.raises(InvalidSetting, match="cannot be combined"):
        build_authenticator(HttpSettings(auth=("none", "jwt"), jwt_secret=SECRET))


def test_a_missing_key_file_is_named() -> None:
    with pytest.raises(InvalidSetting, match=r"API key file /nowhere/keys\.toml cannot be read"):
        build_authenticator(HttpSettings(auth=("api-key",), api_keys=Path("/nowhere/keys.toml")))


@pytest.mark.parametrize(
    "text",
    [
        'key = "a string"',
        "key = [1]",
        f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = [["generate"]]',
        f'[[key]]\nname = "a"\nsha256 = "{"0" * 64}"\nscopes = ["everything"]',
    ],
)
def test_a_key_file_of_another_shape_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_text(text)
    with pytest.raises(InvalidSetting, match=r"keys\.toml"):
        load_keys(path)


# ------------------------------------------------------------------ links


def test_a_link_opens_until_it_ends() -> None:
    signer = LinkSigner(b"secret")
    token = signer.sign("generated/customers/42/abc.jpg", START + timedelta(hours=1))
    assert signer.open(token, START) == ("generated/customers/42/abc.jpg", START + timedelta(hours=1))
    assert signer.open(token, START + timedelta(hours=1)) is None
    assert LinkSigner(b"other").open(token, START) is None


def test_a_link_tells_nobody_whose_picture_it_is() -> None:
    import base64

    token = LinkSigner(b"secret").sign("generated/customers/alice42/abc.jpg", START + timedelta(hours=1))
    raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for name in (b"alice", b"customers", b"generated"):
        assert name not in raw
    assert LinkSigner(b"secret").open(token, START) is not None, "another server with the same secret reads it"


@given(st.integers(0, 200), st.integers(1, 255))
def test_no_byte_of_a_link_can_be_changed(at: int, flip: int) -> None:
    import base64

    signer = LinkSigner(b"secret")
    token = signer.sign("generated/customers/42/abc.jpg", START + timedelta(hours=1))
    raw = bytearray(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    raw[at % len(raw)] ^= flip
    assert signer.open(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), START) is None


@given(st.text(max_size=100))
def test_no_text_is_a_link(token: str) -> None:
    assert LinkSigner(b"secret").open(token, START) is None
