"""The files that browsers get: pages, the widget, their scripts and words. Read once, packed once."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.abc import Traversable
from pathlib import PurePath

from fastapi import Request, Response

from perkie_cli.domain.errors import NotFound
from perkie_cli.domain.frozen import frozen

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
}
_UNPACKS = re.compile(r"\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))")


@frozen
class StaticFile:
    """One file and its gzipped form."""

    data: bytes
    packed: bytes
    kind: str
    digest: str  # of the data, 16 hex digits

    @classmethod
    def of(cls, data: bytes, suffix: str) -> StaticFile:
        """The file with these bytes."""
        return cls(data, gzip.compress(data, 9, mtime=0), _KINDS[suffix], hashlib.sha256(data).hexdigest()[:16])

    def answer(self, request: Request, headers: Mapping[str, str], status: int = 200) -> Response:
        """The file as the answer; 304 without it if the browser has it already."""
        tag = f'"{self.digest}"'
        headers = {**headers, "ETag": tag, "Vary": "Accept-Encoding"}
        if status == 200 and tag in request.headers.get("if-none-match", "").replace("W/", "").split(", "):
            return Response(status_code=304, headers=headers)
        if _UNPACKS.search(request.headers.get("accept-encoding", "")):
            return Response(self.packed, status, {**headers, "Content-Encoding": "gzip"}, self.kind)
        return Response(self.data, status, headers, self.kind)


@cache
def folder(name: str) -> Mapping[str, StaticFile]:
    """All files of a folder of ``static``, by their path below it."""
    found = dict(_walk(resources.files("perkie_cli.http") / "static" / name, ""))
    return {path: StaticFile.of(data, PurePath(path).suffix) for path, data in sorted(found.items())}


@cache
def version(name: str) -> str:
    """What a folder's addresses name: it changes with any byte of any of its files."""
    digests = "".join(f"{path} {file.digest} " for path, file in folder(name).items())
    return hashlib.sha256(digests.encode()).hexdigest()[:12]


def find(name: str, path: str) -> StaticFile:
    """A file of a folder.

    Raises: NotFound.
    """
    found = folder(name).get(path)
    if found is None:
        raise NotFound(f"there is no {path[:60]!r} here")
    return found


def _walk(place: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    files: list[tuple[str, bytes]] = []
    for each in place.iterdir():
        if each.is_dir():
            files += _walk(each, f"{prefix}{each.name}/")
        elif PurePath(each.name).suffix in _KINDS:
            files.append((f"{prefix}{each.name}", each.read_bytes()))
    return files
