"""Bounds the answers of upstreams, on the wire and unpacked, before a client or an SDK reads them whole.

A megabyte of gzip can become a gigabyte, and JSON of empty lists thirty times its text. Both would be read on the
event loop.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from perkie_cli.domain.json_shape import Misshapen, strings_in
from perkie_cli.domain.units import format_size

if TYPE_CHECKING:
    import httpx2

ANSWER_BYTES = 96 * 1024 * 1024  # a picture of 4096 px as base64, beside drafts of it
ENCODINGS = "gzip, deflate"  # what is read here
_SMALL = 1024 * 1024  # bytes of an answer that may be anything
_MOST_AROUND = 256 * 1024  # bytes of JSON around its strings
_PIECE = 1024 * 1024  # bytes unpacked in one turn of the loop
_AUTOMATIC = 32 + zlib.MAX_WBITS  # gzip or zlib, as its header says


class AnswerTooLarge(Exception):
    """The answer is larger than any that is meant, or its JSON is."""


async def read_bounded(response: httpx2.Response) -> None:
    """Reads the answer, within ``ANSWER_BYTES``; a hook for httpx2. The request has asked for ``ENCODINGS``.

    Raises: AnswerTooLarge; httpx2.DecodingError.
    """
    response.stream = _stream(response)
    if "content-encoding" in response.headers:  # it is unpacked here
        del response.headers["content-encoding"]
    content = await response.aread()
    if len(content) > _SMALL and not response.headers.get("content-type", "").startswith("image/"):
        try:
            strings_in(content, _MOST_AROUND)
        except Misshapen as error:
            raise AnswerTooLarge(f"its JSON is not usual: {error}") from error


def _stream(response: httpx2.Response) -> httpx2.AsyncByteStream:
    import httpx2

    assert isinstance(response.stream, httpx2.AsyncByteStream)
    raw: httpx2.AsyncByteStream = response.stream
    encoding = response.headers.get("content-encoding", "identity").strip().lower()

    class Bounded(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            seen = 0
            async for chunk in _unpacked(raw, encoding):
                seen += len(chunk)
                if seen > ANSWER_BYTES:
                    raise AnswerTooLarge(f"it has more than {format_size(ANSWER_BYTES)}")
                yield chunk

        async def aclose(self) -> None:
            await raw.aclose()

    return Bounded()


async def _unpacked(raw: httpx2.AsyncByteStream, encoding: str) -> AsyncIterator[bytes]:
    import httpx2

    if encoding in ("identity", ""):
        async for chunk in raw:
            yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise httpx2.DecodingError(f"an answer in {encoding[:30]!r} encoding, which was not asked for")
    unpacking = zlib.decompressobj(_AUTOMATIC)
    try:
        async for chunk in raw:
            rest = chunk
            while rest and not unpacking.eof:
                yield unpacking.decompress(rest, _PIECE)
                rest = unpacking.unconsumed_tail
                await asyncio.sleep(0)
    except zlib.error as error:
        raise httpx2.DecodingError(str(error)) from error
    if not unpacking.eof:
        raise httpx2.DecodingError("the packed answer ends too early")
