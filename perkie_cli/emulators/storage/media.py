"""The bytes of an object: headers, ranges, and decompression of gzip for clients that do not accept it."""

from __future__ import annotations

import re
import zlib
from email.utils import format_datetime

from perkie_cli.emulators.http_server import MAX_BODY, Request, Response
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.objects import byte_range
from perkie_cli.emulators.storage.records import Version
from perkie_cli.emulators.storage.resources import etag

_REFUSED = re.compile(r"\s*q=0(\.0*)?\s*")
_FIELDS = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentEncoding": "Content-Encoding",
    "contentLanguage": "Content-Language",
}


def media(version: Version, request: Request) -> Response:
    """The whole object, or the requested range.

    Raises: ApiError 304, 412, 416.
    """
    check_etag(version, request)
    headers, kind = media_headers(version), version.fields["contentType"]
    if _is_undone(version, request):
        # https://docs.cloud.google.com/storage/docs/transcoding: ranges are ignored then
        del headers["Content-Encoding"]
        headers |= {"Accept-Ranges": "none", "Vary": "Accept-Encoding", "Warning": "214 UploadServer gunzipped"}
        return Response(200, gunzip(version.data), kind, headers)
    wanted = byte_range(request.headers.get("range"), len(version.data))
    if wanted is None:
        return Response(200, version.data, kind, headers)
    first, last = wanted
    headers["Content-Range"] = f"bytes {first}-{last}/{len(version.data)}"
    return Response(206, version.data[first : last + 1], kind, headers)


def media_headers(version: Version) -> dict[str, str]:
    """The headers of an object's bytes."""
    stored = {header: version.fields[name] for name, header in _FIELDS.items() if version.fields.get(name)}
    return {
        "ETag": etag(version),
        "Last-Modified": format_datetime(version.updated or version.created, usegmt=True),
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, max-age=0",
        **stored,
        "X-Goog-Generation": str(version.generation),
        "X-Goog-Metageneration": str(version.metageneration),
        "X-Goog-Hash": version.hashes,
        "X-Goog-Stored-Content-Encoding": version.fields.get("contentEncoding") or "identity",
        "X-Goog-Stored-Content-Length": str(len(version.data)),
        "X-Goog-Storage-Class": version.fields.get("storageClass", "STANDARD"),
    }


def check_etag(version: Version, request: Request) -> None:
    """Checks ``If-Match`` and ``If-None-Match``. Raises: ApiError 304, 412."""
    wanted, unwanted = (_tags(request.headers.get(name)) for name in ("if-match", "if-none-match"))
    if wanted and not wanted & {etag(version), "*"}:
        raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
    if unwanted & {etag(version), "*"}:
        raise ApiError(304, "Not Modified")


def gunzip(data: bytes) -> bytes:
    """The decompressed bytes, also of several gzip members.

    Raises: ApiError 400 when the data is not gzip or too large.
    """
    plain = b""
    try:
        while data:
            inflater = zlib.decompressobj(wbits=31)
            plain += inflater.decompress(data, MAX_BODY - len(plain) + 1)
            if len(plain) > MAX_BODY or inflater.unconsumed_tail:
                raise ApiError(400, f"The body has more than {MAX_BODY} bytes once it is unzipped.")
            if not inflater.eof:
                raise ApiError(400, "The gzip stream ends early.")
            data = inflater.unused_data
    except zlib.error as error:
        raise ApiError(400, f"The body is not gzip: {error}") from error
    return plain


def _is_undone(version: Version, request: Request) -> bool:
    fields = version.fields
    if fields.get("contentEncoding") != "gzip" or "no-transform" in (fields.get("cacheControl") or ""):
        return False
    accepted = [each.strip().partition(";") for each in request.headers.get("accept-encoding", "").split(",")]
    takes = any(name.strip() == "gzip" and not _REFUSED.fullmatch(quality) for name, _, quality in accepted)
    return not takes and version.data[:2] == b"\x1f\x8b"


def _tags(header: str | None) -> set[str]:
    return {each.strip().removeprefix("W/").strip('"') for each in (header or "").split(",") if each.strip()}
