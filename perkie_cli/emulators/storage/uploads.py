"""The three ways to upload: media, multipart, resumable.

https://docs.cloud.google.com/storage/docs/json_api/v1/how-tos/upload
"""

from __future__ import annotations

import email.parser
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.objects import Objects
from perkie_cli.emulators.storage.state import Json, Version


@dataclass
class Session:
    """A resumable upload under way."""

    bucket: str
    name: str
    fields: Json
    query: Mapping[str, str]
    received: bytearray = field(default_factory=bytearray)
    made: Version | None = None


class Uploads:
    """Turns upload requests into objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._sessions: dict[str, Session] = {}

    def simple(self, bucket: str, request: Request) -> Version:
        """``uploadType=media`` or ``multipart``. Raises: ApiError."""
        if request.query.get("uploadType") == "multipart":
            fields, data = parse_multipart(request)
        else:
            fields, data = {"contentType": request.headers.get("content-type")}, request.body
        return self._objects.insert(bucket, _name(request, fields), data, fields, request.query)

    def begin(self, bucket: str, request: Request, base: str) -> Response:
        """Opens a session; its address is in ``Location``."""
        fields: Json = json.loads(request.body or b"{}")
        if "x-upload-content-type" in request.headers:
            fields.setdefault("contentType", request.headers["x-upload-content-type"])
        id_ = secrets.token_hex(16)
        self._sessions[id_] = Session(bucket, _name(request, fields), fields, request.query)
        location = f"{base}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id_}"
        return Response(200, headers={"Location": location, "X-GUploader-UploadID": id_})

    def go_on(self, request: Request) -> Version | Response:
        """Takes a chunk, or says how far it is. Raises: ApiError."""
        session = self._sessions.get(request.query["upload_id"])
        if session is None:
            raise ApiError(404, "No such upload.")
        if request.method == "DELETE":
            del self._sessions[request.query["upload_id"]]
            return Response(499)
        if session.made is not None:
            return session.made
        total = _take(session, request)
        if total is None or len(session.received) < total:
            sofar = {"Range": f"bytes=0-{len(session.received) - 1}"} if session.received else {}
            return Response(308, headers=sofar)
        data = bytes(session.received)
        session.made = self._objects.insert(session.bucket, session.name, data, session.fields, session.query)
        return session.made


def _take(session: Session, request: Request) -> int | None:
    """Appends the chunk; the total size once it is known."""
    header = request.headers.get("content-range")
    if header is None:
        session.received[:] = request.body
        return len(request.body)
    match = re.fullmatch(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)", header)
    if match is None:
        raise ApiError(400, f"Invalid Content-Range: {header}")
    if match[1] is not None:
        if int(match[1]) > len(session.received):
            raise ApiError(503, "The chunk does not follow what was received.")
        session.received[int(match[1]) :] = request.body
    return None if match[3] == "*" else int(match[3])


def _name(request: Request, fields: Json) -> str:
    return str(request.query.get("name") or fields.get("name") or "")


def parse_multipart(request: Request) -> tuple[Json, bytes]:
    """``multipart/related``: the JSON of the object, then its bytes.

    Raises: ApiError 400.
    """
    parts = split_parts(request)
    if len(parts) != 2:
        raise ApiError(400, "A multipart upload has two parts.")
    fields: Json = json.loads(parts[0][1])
    fields.setdefault("contentType", parts[1][0].get("content-type"))
    return fields, parts[1][1]


def split_parts(request: Request) -> list[tuple[dict[str, str], bytes]]:
    """Headers (lower-case names) and bytes of each part of a multipart body.

    Raises: ApiError 400 without a boundary.
    """
    header = email.parser.HeaderParser().parsestr(f"Content-Type: {request.headers.get('content-type', '')}")
    boundary = (header.get_boundary() or "").strip("'")  # gcloud quotes it so
    if not boundary:
        raise ApiError(400, "The multipart body has no boundary.")
    parts = []
    # Python's own clients end lines with LF alone: a CR before it is then the data's own last byte.
    line_end = rb"\n" if re.match(rb"[^\r\n]*\n", request.body) else rb"\r\n"
    delimiter = rb"(?:^|" + line_end + rb")--" + re.escape(boundary.encode())
    for chunk in re.split(delimiter, request.body)[1:-1]:
        head, data = re.split(rb"\r?\n\r?\n", re.sub(rb"^[ \t]*\r?\n", b"", chunk), maxsplit=1)
        headers = email.parser.BytesHeaderParser().parsebytes(head)
        parts.append(({name.lower(): value for name, value in headers.items()}, data))
    return parts
