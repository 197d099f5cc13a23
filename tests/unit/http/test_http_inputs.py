"""What clients send, as pure functions: base64 fields, addresses, ids, ranges."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.auth.peer import client_address, is_loopback
from perkie_cli.domain.errors import TooManyBytes
from perkie_cli.http.answer.problems import MalformedBody
from perkie_cli.http.middleware import request_ids
from perkie_cli.http.request.image_field import decode_image_field
from perkie_cli.http.routes.images import Unsatisfiable, matches, parse_range

MOST = 1 << 20


def as_data_url(text: str) -> str:
    return f"data:image/jpeg;base64,{text}"


def without_comma(text: str) -> str:
    return f"data:image/jpeg;base64{text}"


def through_a_form(text: str) -> str:
    return as_data_url(text).replace("+", " ")


def url_safe(text: str) -> str:
    return text.replace("+", "-").replace("/", "_")


def unpadded(text: str) -> str:
    return text.rstrip("=")


def in_lines(text: str) -> str:
    return "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76)) + "\n"


def percent_encoded(text: str) -> str:
    return as_data_url(quote(text, safe=""))


def with_charset(text: str) -> str:
    return f"DATA:image/jpeg;charset=utf-8; BASE64,{text}"


MANGLINGS = [as_data_url, without_comma, url_safe, unpadded, in_lines, percent_encoded, with_charset]


@given(st.binary(min_size=1, max_size=3000), st.sampled_from(MANGLINGS), st.sampled_from([str, unpadded, url_safe]))
def test_every_known_mangling_is_undone(data: bytes, outer: object, inner: object) -> None:
    text = base64.b64encode(data).decode()
    assert decode_image_field(outer(inner(text)), MOST) == data  # type: ignore[operator]


@given(st.binary(min_size=200, max_size=3000))
def test_spaces_stand_for_plus(data: bytes) -> None:
    data = b"\xff\xd8\xff" + data  # no picture's base64 begins with a plus
    assert decode_image_field(through_a_form(base64.b64encode(data).decode()), MOST) == data


def test_spaces_that_only_break_lines_are_dropped() -> None:
    text = base64.b64encode(b"\xfb\xef\xbe" * 20).decode()
    assert "+" in text
    assert decode_image_field(f"{text[:40]} {text[40:]}", MOST) == b"\xfb\xef\xbe" * 20


def test_a_percent_encoded_data_url_is_its_bytes() -> None:
    assert decode_image_field("data:image/svg+xml,%3Csvg%3E", MOST) == b"<svg>"
    assert decode_image_field("data:", MOST) == b""


@pytest.mark.parametrize("text", ["", "   ", "data:image/png;base64,", "hello!", "é" * 8, "A", "AAAA=A", "\0"])
def test_the_hopeless_is_named(text: str) -> None:
    with pytest.raises(MalformedBody, match=r"^image_data is "):
        decode_image_field(text, MOST)


@given(st.text(max_size=300))
def test_any_text_is_bytes_or_a_refusal(text: str) -> None:
    try:
        assert isinstance(decode_image_field(text, MOST), bytes)
    except MalformedBody as error:
        assert error.http_status == 400


def test_too_much_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(TooManyBytes, match=r"image_data has 1\.\d KiB; at most 1\.0 KiB"):
        decode_image_field("A" * 1500, 1024)
    with pytest.raises(TooManyBytes):
        decode_image_field("data:image/png," + "A" * 1025, 1024)
    assert len(decode_image_field("data:image/png," + "%00" * 1024, 1024)) == 1024


# ------------------------------------------------------------------ addresses


@pytest.mark.parametrize(
    ("forwarded", "hops", "expected"),
    [
        ("", 0, "10.0.0.9"),
        ("203.0.113.7", 0, "10.0.0.9"),  # nobody of ours appended this
        ("203.0.113.7", 1, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7", 1, "203.0.113.7"),  # the left part is the client's own claim
        ("6.6.6.6, 203.0.113.7, 35.191.0.1", 2, "203.0.113.7"),
        ("203.0.113.7", 2, "10.0.0.9"),
        ("[2001:db8::1]:443", 1, "2001:db8::1"),
        ("203.0.113.7:5123", 1, "203.0.113.7"),
        ("unknown", 1, "10.0.0.9"),
        (", ,", 1, "10.0.0.9"),
    ],
)
def test_only_what_trusted_proxies_appended_counts(forwarded: str, hops: int, expected: str) -> None:
    assert client_address("10.0.0.9", forwarded, hops) == expected


@given(st.text(max_size=60), st.ip_addresses(), st.integers(1, 3))
def test_no_forged_prefix_changes_the_address(forged: str, genuine: object, hops: int) -> None:
    trusted = ", ".join([str(genuine)] + ["35.191.0.1"] * (hops - 1))
    assert client_address("10.0.0.9", f"{forged}, {trusted}", hops) == str(genuine)


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("192.168.1.4", False), ("localhost.evil.com", False), ("", False)],
)  # fmt: skip
def test_loopback(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


# ------------------------------------------------------------------ ids

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_ids_are_carried_on() -> None:
    ids = request_ids("abc-123", PARENT)
    assert ids.request_id == "abc-123"
    assert ids.traceparent.startswith("00-4bf92f3577b34da6a3ce929d0e0e4736-")
    assert ids.traceparent.endswith("-01")
    assert ids.span_id != "00f067aa0ba902b7"


@pytest.mark.parametrize("parent", [None, "", "00-zz", PARENT.replace("4bf9", "ffgg"), "ff" + PARENT[2:],
                                    "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])  # fmt: skip
@pytest.mark.parametrize("given_id", [None, "", "a b", "x" * 129, "a\r\nSet-Cookie: b"])
def test_unusable_ids_are_replaced(given_id: str | None, parent: str | None) -> None:
    ids = request_ids(given_id, parent)
    assert ids.request_id != given_id
    assert len(ids.trace_id) == 32
    assert ids.flags == "00", "not sampled"
    assert int(ids.trace_id, 16)


# ------------------------------------------------------------------ ranges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("bytes=0-9", range(0, 10)),
        ("bytes=90-", range(90, 100)),
        ("bytes=90-5000", range(90, 100)),
        ("bytes=-10", range(90, 100)),
        ("bytes=-500", range(0, 100)),
        ("bytes=9-3", None),
        ("bytes=-", None),
        ("bytes=0-1,5-6", None),
        ("lines=0-9", None),
    ],
)
def test_ranges(header: str | None, expected: range | None) -> None:
    assert parse_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=-0"])
def test_ranges_behind_the_end(header: str) -> None:
    with pytest.raises(Unsatisfiable):
        parse_range(header, 100)


@given(st.text(alphabet="bytes=-,0123456789 ", max_size=30), st.integers(0, 1000))
def test_a_range_lies_within_the_object(header: str, size: int) -> None:
    try:
        found = parse_range(header, size)
    except Unsatisfiable:
        return
    assert found is None or 0 <= found.start < found.stop <= size


def test_validators() -> None:
    assert matches('"a", W/"b"', '"b"')
    assert matches("*", '"b"')
    assert not matches('"a"', '"b"')
    assert not matches(None, '"b"')
