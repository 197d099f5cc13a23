"""Where a photo comes from: a file, stdin, or an object of a bucket; and what its run was told about it."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path, PurePath, PurePosixPath
from typing import Protocol

from perkie_cli.batch.files import STDIO, located, read_input, too_many_bytes
from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.domain.units import format_size
from perkie_cli.imaging import codec
from perkie_cli.ports import Buckets, RemoteObject, Workers
from perkie_cli.system.threads import in_own_thread


class Source(Protocol):
    """One photo that has not been read."""

    @property
    def name(self) -> str:
        """Its name in messages and reports."""

    @property
    def path(self) -> PurePath:
        """Names its outputs."""

    @property
    def key(self) -> bytes:
        """Its unique name in records."""

    def version(self) -> str:
        """Changes when the content does; empty if unknown. May block."""

    def modified(self) -> float | None:
        """When it was changed, in epoch seconds; None if unknown. May block."""

    async def read(self, max_bytes: int, io: Workers) -> bytes:
        """The bytes. Raises: UnreadableFile, TooManyBytes."""

    def is_at(self, path: Path) -> bool:
        """Whether it is that very file."""


@frozen(init=False)
class FileSource:
    """A file. It keeps the path as text, which takes a quarter of the memory: there may be 100,000."""

    _text: str

    def __init__(self, path: Path) -> None:
        object.__setattr__(self, "_text", os.fspath(path))

    @property
    def path(self) -> Path:
        """The path as it was given."""
        return Path(self._text)

    @property
    def name(self) -> str:
        """The path as it was given."""
        return self._text

    @property
    def key(self) -> bytes:
        """The located path as bytes: a file name need not be text."""
        return os.fsencode(located(self.path))

    def version(self) -> str:
        """``SIZE:MTIME_NS``."""
        with suppress(OSError):
            return stat_of(self.path)
        return ""

    def modified(self) -> float | None:
        """The file's time."""
        with suppress(OSError):
            return self.path.stat().st_mtime
        return None

    async def read(self, max_bytes: int, io: Workers) -> bytes:
        """Reads it in a worker."""
        return await io.run(read_input, self.path, max_bytes)

    def is_at(self, path: Path) -> bool:
        """Follows links."""
        with suppress(OSError):
            return path.samefile(self.path)
        return False


class StdinSource:
    """The photo on stdin. It is read once, for all of its styles."""

    name = "stdin"
    path = STDIO
    key = b"stdin"

    def __init__(self) -> None:
        self._reading = asyncio.Lock()
        self._data: bytes | None = None

    def version(self) -> str:
        """Unknown."""
        return ""

    def modified(self) -> float | None:
        """Unknown."""
        return None

    async def read(self, max_bytes: int, io: Workers) -> bytes:
        """Reads all of it. Raises also: UsageError on a terminal."""
        del io  # a worker that waits for stdin would keep the run from ending
        async with self._reading:
            if self._data is None:
                self._data = await in_own_thread(read_input, STDIO, max_bytes)
        return self._data

    def is_at(self, path: Path) -> bool:
        """Never."""
        del path
        return False


@frozen
class BucketSource:
    """An object of a bucket, in the generation that was listed."""

    found: RemoteObject
    buckets: Buckets

    @property
    def name(self) -> str:
        """``gs://bucket/name``."""
        return self.found.uri

    @property
    def path(self) -> PurePath:
        """The object's name."""
        return PurePosixPath(self.found.name)

    @property
    def key(self) -> bytes:
        """Its URI."""
        return self.found.uri.encode()

    def version(self) -> str:
        """Its generation."""
        return f"generation {self.found.generation}"

    def modified(self) -> float | None:
        """The object's time."""
        return self.found.updated.timestamp()

    async def read(self, max_bytes: int, io: Workers) -> bytes:
        """Downloads it, unless it is too large. Raises also: the errors of ``ports.Buckets``."""
        del io
        if self.found.size > max_bytes:
            raise too_many_bytes(f"{self.name} has {format_size(self.found.size)}", max_bytes)
        data = await self.buckets.read(self.found)
        if not data:
            why = "was replaced or deleted meanwhile" if data is None else "is empty"
            raise UnreadableFile(f"{self.name} {why}", hint=None if data else "Run it again.")
        return data

    def is_at(self, path: Path) -> bool:
        """Never: outputs are files."""
        del path
        return False


@frozen
class InputFile:
    """One input. ``folder`` is its path below the given folder, so that outputs can mirror it.

    ``styles``, ``owner`` and ``output`` are those of its row of a manifest, if the row names them.
    """

    source: Source
    folder: PurePath = Path()
    from_folder: bool = False
    styles: tuple[str, ...] | None = None
    owner: Owner | None = None
    output: PurePath | None = None

    @property
    def path(self) -> PurePath:
        """The path that names its outputs."""
        return self.source.path


async def photo_from(source: Source, limits: ImageLimits, io: Workers) -> Photo:
    """The photo, checked by its header.

    Raises: the BadInput family, and for buckets the errors of ``ports.Buckets``.
    """
    data = await source.read(limits.max_bytes, io)
    return await io.run(codec.photo, data, limits, source.name)


def stat_of(path: Path) -> str:
    """``SIZE:MTIME_NS``. Raises: OSError."""
    facts = path.stat()
    return f"{facts.st_size}:{facts.st_mtime_ns}"
