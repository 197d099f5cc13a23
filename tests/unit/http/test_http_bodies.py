"""JSON and forms that nobody has to trust: what is usual is read, what is too much is refused before it costs."""

from __future__ import annotations

import base64
import json
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import PerkieError, TooManyBytes
from perkie_cli.domain.json_shape import LONG, Misshapen, strings_in
from perkie_cli.http.answer.problems import InvalidFields, MalformedBody
from perkie_cli.http.request.fields import Fields, picture_of
from perkie_cli.http.request.json_body import MOST_AROUND, MOST_FIELDS, Unread, json_object
from perkie_cli.http.request.multipart import MultipartForm, urlencoded
from perkie_cli.http.request.percent import unquoted
from tests.pictures import file_of, photo

MIB = 1024 * 1024

# ------------------------------------------------------------------ JSON

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)  # fmt: skip


def strings(value: object) -> int:
    if isinstance(value, dict):
        return sum(1 + strings(each) for each in value.values())
    return sum(map(strings, value)) if isinstance(value, list) else int(isinstance(value, str))


@given(st.dictionaries(st.text(), VALUES, max_size=8), st.booleans(), st.sampled_from([None, 2]))
def test_usual_json_is_read_as_it_is_meant(value: dict[str, object], escaped: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=escaped, indent=indent)
    try:
        raw = text.encode()
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    assert len(strings_in(raw, MOST_AROUND)) == strings(value)
    try:
        assert json_object(raw) == value
    except MalformedBody:
        assert "\\ud" in text, "only a lone surrogate is refused"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with suppress(MalformedBody, InvalidFields):
        assert isinstance(json_object(raw), dict)


HUGE: dict[str, bytes] = {
    "lists": b'{"a":[' + b"[[]]," * 5 * MIB + b"1]}",
    "strings": b'{"a":[' + b'"",' * 8 * MIB + b'""]}',
    "strings side by side": b'"a"' * 8 * MIB,
    "names": b"{" + b'"":1,' * 5 * MIB + b'"":1}',
    "number": b'{"a":' + b"1" * 25 * MIB + b"}",
    "fraction": b'{"a":0.' + b"1" * 25 * MIB + b"}",
    "open lists": b"[" * 25 * MIB,
    "blanks": b" " * 25 * MIB + b"{}",
    "quotes": b'{"a":"' + b'\\"' * 12 * MIB + b'"}',
    "backslashes": b'{"a":"' + b"\\" * 25 * MIB + b'"}',
    "wide": b'{"a":"' + b"A" * 25 * MIB + b'\xf0\x9f\x90\xb1"}',
    "a wide escape": b'{"a":"' + b"A" * 25 * MIB + b'\\ud83d\\udc31"}',
    "no end": b'{"a":"' + b"A" * 25 * MIB,
    "deep": b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
    "wide and short": b'{"a":' + json.dumps([[]] * 4000).encode() + b"}",
}


@pytest.mark.parametrize("kind", HUGE)
def test_json_that_would_grow_is_refused_before_it_is_parsed(kind: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(PerkieError) as refused:
            if json_object(HUGE[kind]):  # 4,000 lists fit, and are small
                raise InvalidFields("read")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.http_status in (400, 422)
    assert peak < 1.2 * len(HUGE[kind]) + MIB, "at most a copy"


def test_long_strings_may_be_escaped_as_languages_do() -> None:
    for escape, plain in ((b"\\/", "/"), (b"\\u002B", "+"), (b"\\u003d", "=")):
        read = json_object(b'{"image_data":"' + (b"A" * 63 + escape) * (LONG // 32) + b'"}')
        assert read["image_data"] == ("A" * 63 + plain) * (LONG // 32)


PICTURE = base64.b64encode(bytes(range(256)) * 300)  # longer than what is always read


@pytest.mark.parametrize("before", [b"", b"data:image/jpeg;base64,", b"data:image/x;a=b;base64,", b" ", b"\\/", b"-_"])
def test_a_picture_is_decoded_where_it_is_or_read_as_any_string(before: bytes) -> None:
    raw = b'{"style":"ink_wash","image_data":"' + before + PICTURE + b'"}'
    left, usual = Fields(json_object(raw, ["image_data"])), Fields(json_object(raw))
    unread = left.values["image_data"]
    assert isinstance(unread, Unread)
    assert unread.read() == usual.values["image_data"]
    assert left.values["style"] == "ink_wash"
    assert decoded(left) == decoded(usual)


def decoded(fields: Fields) -> object:
    try:
        return picture_of(fields, ["image_data"], MIB)
    except PerkieError as error:
        return error.code, error.message


@pytest.mark.parametrize("wrong", [b"A\nB", b"\xff\xfe", b"\\x", b"\\ud83d", b"\x00", b"!"], ids=repr)
def test_an_unread_picture_is_refused_as_if_it_had_been_read(wrong: bytes) -> None:
    raw = b'{"image_data":"' + PICTURE + wrong + b'"}'
    refused = []
    for unread in ([], ["image_data"]):
        with pytest.raises(MalformedBody) as error:
            picture_of(Fields(json_object(raw, unread)), ["image_data"], MIB)
        refused.append(error.value.message.partition(":")[0])
    assert refused[0] == refused[1]


def test_a_picture_over_the_limit_is_refused_before_it_is_decoded() -> None:
    for unread in ([], ["image_data"]):
        with pytest.raises(TooManyBytes):
            picture_of(Fields(json_object(b'{"image_data":"' + PICTURE + b'"}', unread)), ["image_data"], 1000)


def test_only_members_of_the_object_itself_stay_unread() -> None:
    for text in (
        b'{"image_data":"","more":{"image_data":"%b"}}',
        b'{"more":["%b"],"image_data":"image_data"}',
        b'{"%b":"image_data"}',
        b'{"style":"%b"}',
        b'["image_data","%b"]',
    ):
        raw = text % PICTURE
        if raw.startswith(b"["):
            with pytest.raises(MalformedBody):
                json_object(raw, ["image_data"])
        else:
            assert json_object(raw, ["image_data"]) == json_object(raw)


def test_a_picture_sent_twice_is_refused_though_it_was_not_read() -> None:
    raw = b'{"image_data":"%b","image_data":"%b"}' % (PICTURE, PICTURE + b"AAAA")
    with pytest.raises(InvalidFields, match="twice"):
        json_object(raw, ["image_data"])


def test_a_wide_escape_is_found_across_pieces() -> None:
    for at in range(LONG - 8, LONG + 8):
        with pytest.raises(Misshapen):
            strings_in(b'"' + b"A" * at + b"\\u0141" + b"A" * LONG + b'"', MOST_AROUND)
        text = b'"' + b"A" * at + b"\\u0041" + b"A" * LONG + b'"'
        assert strings_in(text, MOST_AROUND) == [(0, len(text) - 1)]


# ------------------------------------------------------------------ forms


def form(*parts: tuple[str, bytes], end: bytes = b"--b--\r\n", most: int = 1000, step: int = 7) -> Fields:
    """Parts of a disposition and data, fed in small pieces."""
    reading = MultipartForm("multipart/form-data; boundary=b", most)
    body = b"".join(
        b"--b\r\nContent-Disposition: form-data; " + about.encode() + b"\r\n\r\n" + data + b"\r\n"
        for about, data in parts
    )
    body += end
    for at in range(0, len(body), step):
        reading.feed(body[at : at + step])
    return reading.finish()


def test_forms_are_read_in_any_pieces() -> None:
    parts = [('name="style"', b"ink_wash"), ('name="image"; filename="a.jpg"', bytes(range(256))), ('name="x"', b"")]
    for step in (1, 2, 3, 50, 10_000):
        fields = form(*parts, step=step)
        assert fields.values == {"style": "ink_wash", "x": ""}
        assert (fields.files["image"].data, fields.files["image"].name) == (bytes(range(256)), "a.jpg")
    assert form(('name="n\u00fc"', "\u00fc".encode())).values == {"n\u00fc": "\u00fc"}
    assert form(('name="x"', b"\xff")).values == {"x": "\u00ff"}
    assert form(('name="image"; filename=""', b"x")).files["image"].name == "image"


@pytest.mark.parametrize(
    "bad",
    [
        lambda: form(('name="x"', b"y"), end=b""),
        lambda: form(('name="x"', b"y"), end=b"--b"),
        lambda: form(('name="x"', b"y"), end=b"--b-"),
        lambda: form(end=b""),
        lambda: form(("x", b"y")),
        lambda: form(*[('name="x"', b"y")] * 65),
        lambda: form(end=b"--b\r\n" + b"X: y\r\n" * 100 + b"\r\n\r\n--b--\r\n"),
        lambda: form(end=b"--b\r\nX: " + b"y" * 10_000 + b"\r\n\r\n\r\n--b--\r\n"),
        lambda: form(end=b"nonsense"),
        lambda: MultipartForm("multipart/form-data", 1000),
        lambda: MultipartForm(f"multipart/form-data; boundary={'b' * 1000}", 1000),
    ],
)  # fmt: skip
def test_malformed_forms_are_refused(bad: Callable[[], object]) -> None:
    with pytest.raises(MalformedBody):
        bad()


@pytest.mark.parametrize("about", ['name="image"; filename="a.jpg"', 'name="image_data"'])
def test_a_part_is_measured_while_it_comes(about: str) -> None:
    with pytest.raises(PerkieError) as refused:
        form((about, bytes(5000)), end=b"")
    assert refused.value.http_status == 413


@given(
    st.lists(st.tuples(st.from_regex(r"[a-z]{1,8}", fullmatch=True), st.text()), max_size=5, unique_by=lambda p: p[0])
)
def test_urlencoded_forms_are_read_as_browsers_send_them(pairs: list[tuple[str, str]]) -> None:
    try:
        raw = urlencode(pairs).encode()
    except UnicodeEncodeError:
        return
    assert urlencoded(raw).values == dict(pairs)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF"])
def test_a_picture_is_no_urlencoded_form(kind: str) -> None:
    with pytest.raises(MalformedBody, match="binary data") as raised:
        urlencoded(file_of(photo(300, 300), kind))
    assert "Content-Type" in str(raised.value.hint)


def test_urlencoded_forms_have_few_fields() -> None:
    assert len(urlencoded(b"&".join(b"a%d=" % i for i in range(MOST_FIELDS))).values) == MOST_FIELDS
    with pytest.raises(MalformedBody):
        urlencoded(b"a=&" * MOST_FIELDS + b"a=")


@given(st.binary(max_size=500), st.integers(0, 70_000))
def test_percents_are_decoded_across_pieces(data: bytes, before: int) -> None:
    assert unquoted(b"x" * before + quote(data).encode()) == b"x" * before + data


@given(st.binary(min_size=1, max_size=500))
def test_long_texts_are_decoded_like_short_ones(data: bytes) -> None:
    text = "".join(f"%{byte:02X}" if byte in b"%\0" or byte > 127 else chr(byte) for byte in data).encode()
    assert unquoted(text * 10_000)[:: len(data)] == data[:1] * 10_000
    assert unquoted(text * 10_000) == data * 10_000


def test_percents_without_digits_stay_as_they_are_in_a_short_text_only() -> None:
    assert unquoted(b"%zz%4") == b"%zz%4"
    for bad in (b"%", b"%zz", b"%4"):
        with pytest.raises(MalformedBody):
            unquoted(b"x" * 200_000 + bad)


def test_a_picture_of_percents_costs_little() -> None:
    raw = b"%41" * 5 * MIB
    tracemalloc.start()
    try:
        assert len(unquoted(raw)) == 5 * MIB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < len(raw) + 8 * MIB
