"""The Files API: resumable uploads, the list, and downloads of what the API itself made (https://ai.google.dev/api/files).

As Google's: a file lives for 48 hours, and an uploaded one cannot be downloaded.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.emulators.gemini.answers import Json, error
from perkie_cli.emulators.gemini.request import camel
from perkie_cli.emulators.http_server import Request, Response
from perkie_cli.ports import Clock

LIVES = timedelta(hours=48)
JSONL = "application/jsonl"
_UPLOAD = re.compile(r"/upload/(v1|v1beta|v1alpha)/files")
_FILES = re.compile(r"(?:/download)?/(?:v1|v1beta|v1alpha)/files(?:/([a-z0-9-]{1,40}))?(:download)?")


@frozen
class StoredFile:
    """One file. ``made``: by the API, not uploaded."""

    name: str
    data: bytes
    media_type: str
    created: datetime
    display_name: str = ""
    made: bool = False

    def resource(self, base: str) -> Json:
        """As the API shows it, at the address ``base``."""
        uri = f"{base}/v1beta/{self.name}"
        expires = self.created + LIVES
        shown: Json = {
            "name": self.name,
            "mimeType": self.media_type,
            "sizeBytes": str(len(self.data)),
            "createTime": time_text(self.created),
            "updateTime": time_text(self.created),
            "expirationTime": time_text(expires),
            "sha256Hash": base64.b64encode(hashlib.sha256(self.data).hexdigest().encode()).decode(),
            "uri": uri,
            "state": "ACTIVE",
            "source": "GENERATED" if self.made else "UPLOADED",
        }
        if self.display_name:
            shown["displayName"] = self.display_name
        return {**shown, "downloadUri": f"{uri}:download?alt=media"} if self.made else shown


@dataclass(slots=True)
class _Upload:
    """A resumable upload in progress: ``size`` as announced."""

    file: Mapping[str, Any]
    media_type: str
    size: int | None
    received: bytearray = field(default_factory=bytearray)


class Files:
    """The files of one emulator."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._files: dict[str, StoredFile] = {}
        self._uploads: dict[str, _Upload] = {}

    def clear(self) -> None:
        """Forgets all files and uploads."""
        self._files.clear()
        self._uploads.clear()

    def put(self, name: str, data: bytes) -> StoredFile:
        """Stores a file that the API made."""
        return self._keep(StoredFile(name, data, JSONL, self._clock.now(), made=True))

    def get(self, name: str) -> StoredFile | None:
        """The file of that name, if it still lives."""
        found = self._files.get(name)
        return found if found is not None and self._clock.now() < found.created + LIVES else None

    @staticmethod
    def is_upload(request: Request) -> bool:
        """Whether the request brings bytes of an upload that is under way: the SDK sends no key with them."""
        return _UPLOAD.fullmatch(request.path) is not None and "upload_id" in request.query

    def answer(self, request: Request) -> Response | None:
        """The answer to a call of the Files API; None for other calls. Raises: ValueError for a malformed one."""
        if (upload := _UPLOAD.fullmatch(request.path)) is not None and request.method == "POST":
            return self._continue(request) if self.is_upload(request) else self._begin(request, upload[1])
        match = _FILES.fullmatch(request.path)
        if match is None:
            return None
        id_, download = match.groups()
        if id_ is None:
            return self._list(request)
        file = self.get(f"files/{id_}")
        if file is None:
            return error(403, f"You do not have permission to access the File {id_} or it may not exist.")
        if request.method == "DELETE":
            del self._files[file.name]
            return Response.of({})
        return _download(file) if download else Response.of(file.resource(request.base))

    def _list(self, request: Request) -> Response:
        rows = [each.resource(request.base) for each in self._files.values() if self.get(each.name) is not None]
        return Response.of(paged(rows, "files", request, most=100))

    def _begin(self, request: Request, version: str) -> Response:
        if request.headers.get("x-goog-upload-command") != "start":
            return error(400, "Only resumable uploads are emulated.")
        size = request.headers.get("x-goog-upload-header-content-length")
        media_type = request.headers.get("x-goog-upload-header-content-type", "application/octet-stream")
        id_ = secrets.token_hex(16)
        file: Any = camel(request.json_object().get("file") or {})
        self._uploads[id_] = _Upload(file, media_type, None if size is None else int(size))
        url = f"{request.base}/upload/{version}/files?upload_id={id_}&upload_protocol=resumable"
        return Response(headers={"x-goog-upload-url": url, "x-goog-upload-status": "active"})

    def _continue(self, request: Request) -> Response:
        upload = self._uploads.get(request.query["upload_id"])
        if upload is None:
            return error(404, "There is no such upload.")
        commands = {each.strip() for each in request.headers.get("x-goog-upload-command", "").split(",")}
        if "query" in commands:
            received = str(len(upload.received))
            return Response(headers={"x-goog-upload-status": "active", "x-goog-upload-size-received": received})
        if int(request.headers.get("x-goog-upload-offset", "0")) != len(upload.received):
            return error(400, f"The upload has {len(upload.received)} bytes.")
        upload.received += request.body
        if "finalize" not in commands:
            return Response(headers={"x-goog-upload-status": "active"})
        if upload.size not in (None, len(upload.received)):
            return error(400, f"{upload.size} bytes were announced, {len(upload.received)} came.")
        del self._uploads[request.query["upload_id"]]
        file = self._keep(
            StoredFile(
                upload.file.get("name") or f"files/{secrets.token_hex(6)}",
                bytes(upload.received),
                upload.file.get("mimeType") or upload.media_type,
                self._clock.now(),
                upload.file.get("displayName") or "",
            )
        )
        return Response.of({"file": file.resource(request.base)}, x_goog_upload_status="final")

    def _keep(self, file: StoredFile) -> StoredFile:
        self._files[file.name] = file
        return file


def _download(file: StoredFile) -> Response:
    if not file.made:
        return error(400, f"{file.name} was uploaded: only files that the API made can be downloaded.")
    return Response(body=file.data, content_type=file.media_type)


def time_text(when: datetime) -> str:
    """RFC 3339 in UTC."""
    return f"{when:%Y-%m-%dT%H:%M:%S.%fZ}"


def paged(rows: list[Json], name: str, request: Request, most: int) -> Json:
    """A page of ``rows``, and the token of the next one. Raises: ValueError."""
    size = min(int(request.query.get("pageSize") or most), most)
    start = int(request.query.get("pageToken") or 0)
    if size < 1 or start < 0:
        raise ValueError("pageSize and pageToken must be numbers of at least 1 and 0")
    shown: Json = {name: rows[start : start + size]}
    return {**shown, "nextPageToken": str(start + size)} if start + size < len(rows) else shown
