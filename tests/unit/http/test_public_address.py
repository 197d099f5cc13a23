"""The address in links: what was called, as trusted proxies tell it, or what is set."""

from __future__ import annotations

import logging

import pytest
from starlette.requests import HTTPConnection

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.http.request.public_address import PublicAddress, check_public_url


def request(called: str = "10.0.0.7:8080", scheme: str = "http", **forwarded: str) -> HTTPConnection:
    headers = [(b"host", called.encode())]
    headers += [(f"x-forwarded-{name}".encode(), value.encode()) for name, value in forwarded.items()]
    where = {"scheme": scheme, "path": "/api/v1/generate", "root_path": "", "query_string": b"", "server": None}
    return HTTPConnection({"type": "http", "headers": headers, **where})


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, {}, "http://10.0.0.7:8080"),
        (0, {"host": "shop.test", "proto": "https", "prefix": "/perkie", "port": "8443"}, "http://10.0.0.7:8080"),
        (1, {"host": "shop.test", "proto": "https"}, "https://shop.test"),
        (1, {"host": "shop.test:8443", "proto": "https", "prefix": "/perkie"}, "https://shop.test:8443/perkie"),
        (1, {"host": "shop.test", "proto": "https", "port": "8443"}, "https://shop.test:8443"),
        (1, {"host": "shop.test", "proto": "https", "port": "443"}, "https://shop.test"),
        (1, {"host": "shop.test:8443", "proto": "https", "port": "443"}, "https://shop.test:8443"),
        (1, {"host": "[2001:db8::1]:8443", "proto": "https"}, "https://[2001:db8::1]:8443"),
        (1, {"prefix": "/a/b/"}, "http://10.0.0.7:8080/a/b"),
        (1, {"host": "evil.test, shop.test", "proto": "ftp, https"}, "https://shop.test"),
        (2, {"host": "evil.test, shop.test, lb.internal"}, "http://shop.test"),
        (3, {"host": "shop.test"}, "http://shop.test"),
        (1, {"host": 'shop.test"><script>', "proto": "javascript", "prefix": "//evil.test"}, "http://10.0.0.7:8080"),
        (1, {"host": "", "prefix": "/", "proto": "", "port": "x"}, "http://10.0.0.7:8080"),
        (1, {"host": "user@shop.test"}, "http://10.0.0.7:8080"),
    ],
)
def test_trusted_proxies_tell_what_was_called(hops: int, forwarded: dict[str, str], address: str) -> None:
    assert PublicAddress(None, hops).of(request(**forwarded), behind_shop=False) == address


def test_the_name_of_the_shop_before_its_proxy_is_not_ours() -> None:
    forwarded = {"host": "shop.test", "proto": "https", "prefix": "/apps/perkie"}
    address = PublicAddress(None, 1).of(request("perkie.test", **forwarded), behind_shop=True)
    assert address == "https://perkie.test"


def test_a_socket_has_links_for_browsers() -> None:
    assert PublicAddress(None, 0).of(request(scheme="wss"), behind_shop=False) == "https://10.0.0.7:8080"


def test_what_is_set_wins_and_another_name_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    address = PublicAddress("https://shop.test/perkie/", 1)
    for _ in range(3):
        assert address.of(request(), behind_shop=False) == "https://shop.test/perkie"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "http://10.0.0.7:8080" in caplog.text
    assert "https://shop.test/perkie" in caplog.text


def test_the_set_name_is_told_of_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    address = PublicAddress("https://shop.test/perkie", 1)
    address.of(request(host="shop.test", prefix="/perkie", proto="https"), behind_shop=False)
    assert not caplog.records


def test_a_proxy_that_nobody_counted_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    address = PublicAddress(None, 0)
    for _ in range(3):
        address.of(request(host="shop.test"), behind_shop=False)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "x-forwarded-host: 'shop.test', but http.trusted_hops is 0" in caplog.text


@pytest.mark.parametrize("forwarded", [{"proto": "https"}, {"for": "203.0.113.9"}])
def test_a_proxy_that_tells_no_name_is_told_as_well(
    caplog: pytest.LogCaptureFixture, forwarded: dict[str, str]
) -> None:
    PublicAddress(None, 0).of(request("shop.test", **forwarded), behind_shop=False)
    assert "links lead to http://shop.test, and all of its visitors count as one address" in caplog.text


@pytest.mark.parametrize(
    "url", ["shop.test", "ftp://shop.test", "https://", "https://a@shop.test", "https://shop.test/?x=1", "https://a b"]
)
def test_what_is_no_base_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidSetting, match=r"http\.public_url"):
        check_public_url(url)
