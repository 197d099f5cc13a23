"""Reads forms: multipart/form-data (RFC 7578) and application/x-www-form-urlencoded (WHATWG URL §5).

Bodies are bounded before they get here, so their parts stay in memory. ``python_multipart`` bounds a part's headers.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from perkie_cli.domain.json_shape import LONG
from perkie_cli.http.answer.problems import MalformedBody
from perkie_cli.http.request.fields import Fields, Upload
from perkie_cli.http.request.image_field import check_size
from perkie_cli.http.request.json_body import MOST_FIELDS
from perkie_cli.http.request.percent import unquoted

logging.getLogger("python_multipart").setLevel(logging.ERROR)  # it warns of every malformed form
_LONGEST_BOUNDARY = 200  # RFC 2046 allows 70
_HEAD = 1024  # bytes, in which every picture file has a zero
_HINT = "Send multipart/form-data as browsers do."


@dataclass(slots=True)
class _Part:
    disposition: bytes = b""
    name: str = ""
    file: str | None = None  # its name, if it is a file
    data: bytearray = field(default_factory=bytearray)


class MultipartForm:
    """A form as it arrives: ``feed`` it with chunks, then ``finish``."""

    def __init__(self, content_type: str, max_image: int) -> None:
        """``max_image``: most bytes of a file; base64 in a field may have a third more.

        Raises: MalformedBody.
        """
        self._max_image = max_image
        self._fields = Fields()
        self._part = _Part()
        self._count = 0
        self._header = bytearray(), bytearray()
        self._closed = False
        boundary = parse_options_header(content_type)[1].get(b"boundary", b"")
        if not 1 <= len(boundary) <= _LONGEST_BOUNDARY:
            raise MalformedBody("the form has no usable boundary", hint=_HINT)
        names = ("part_begin", "part_data", "part_end", "header_field", "header_value", "header_end")
        callbacks = {f"on_{name}": getattr(self, f"_on_{name}") for name in (*names, "headers_finished", "end")}
        self._parser = MultipartParser(boundary, callbacks)  # type: ignore[arg-type]  # a TypedDict of them

    def feed(self, chunk: bytes) -> None:
        """Parses the next bytes. Raises: MalformedBody, TooManyBytes, InvalidFields."""
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise MalformedBody("the form is malformed", hint=_HINT) from error

    def finish(self) -> Fields:
        """The fields. Raises: MalformedBody for a form that was cut off."""
        if not self._closed:
            raise MalformedBody("the form was cut off: its closing boundary is missing", hint=_HINT)
        return self._fields

    def _on_part_begin(self) -> None:
        self._count += 1
        if self._count > MOST_FIELDS:
            raise MalformedBody(f"the form has more than {MOST_FIELDS} parts")
        self._part = _Part()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def _on_header_end(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._part.disposition = bytes(value)
        self._header = bytearray(), bytearray()

    def _on_headers_finished(self) -> None:
        options = parse_options_header(self._part.disposition)[1]
        if b"name" not in options:
            raise MalformedBody("a part of the form has no name", hint=_HINT)
        self._part.name = _decoded(options[b"name"])
        if b"filename" in options:
            self._part.file = (_decoded(options[b"filename"]) or self._part.name)[:120]

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        size = len(part.data) + end - start
        most = self._max_image if part.file is not None else self._max_image * 4 // 3 + 1024
        check_size(size, most, part.file or part.name[:120])
        part.data += memoryview(data)[start:end]

    def _on_part_end(self) -> None:
        part = self._part
        if part.file is not None:
            self._fields.add_file(part.name, Upload(bytes(part.data), part.file))
        else:
            self._fields.add_text(part.name, _decoded(part.data))
        self._part = _Part()

    def _on_end(self) -> None:
        self._closed = True


def urlencoded(raw: bytes) -> Fields:
    """The fields of a form without files. Raises: MalformedBody, InvalidFields."""
    if b"\0" in raw[:_HEAD]:  # what curl sends of a file when no Content-Type is named
        raise MalformedBody(
            "the body is binary data, and no form",
            hint="Name its type, such as Content-Type: image/png, or send it as a file of multipart/form-data.",
        )
    fields = Fields()
    pairs = raw.split(b"&", MOST_FIELDS)
    if len(pairs) > MOST_FIELDS:
        raise MalformedBody(f"the form has more than {MOST_FIELDS} fields")
    for name, _, value in (pair.partition(b"=") for pair in pairs if pair):
        fields.add_text(*(_decoded(unquoted(each.replace(b"+", b" "))) for each in (name, value)))
    return fields


def _decoded(raw: bytes | bytearray) -> str:
    """UTF-8, else Latin-1. Long text must be ASCII: one other character would make each of them four bytes."""
    if len(raw) > LONG and not raw.isascii():
        raise MalformedBody("a long field of the form is not base64", hint="Send pictures as files.")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
