"""Blobs in a folder with a SQLite index: the default store, shared by any number of processes.

::

    DIR/index.sqlite     facts of every object
    DIR/objects/KEY      the bytes
    DIR/tmp/             files being written

A write goes to ``tmp``, is renamed into place under the index's write lock, and its row is committed last: at worst a
crash leaves a file without a row. A delete unlinks the file before the commit: at worst a crash leaves a row without
a file, so that an interrupted erasure can be continued. ``strays`` repairs both.

Nothing is fsynced: a cache can be rebuilt, and after a power loss a torn file does not match its hash and is not
served. Files have mode 0600, folders 0700.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import StoreUnavailable
from perkie_cli.domain.pictures.cache_key import check_key
from perkie_cli.domain.storage.metadata import check_metadata
from perkie_cli.domain.storage.selection import EVERYTHING, Selection, StoredTotal
from perkie_cli.ports import TOUCH_EVERY, Blob, BlobInfo, Clock, Stray, StrayKind, Workers
from perkie_cli.stores.disk.files import DiskFiles
from perkie_cli.stores.disk.index import DiskIndex, microseconds

P = ParamSpec("P")
T = TypeVar("T")
PAGE = 1000  # rows fetched at a time
LEFTOVER_AFTER = timedelta(minutes=1)  # writing a picture takes milliseconds
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


class DiskBlobs:
    """``ports.BlobStore`` over a folder. The constructor does no I/O; the first call opens or creates the folder."""

    def __init__(self, root: Path, clock: Clock, workers: Workers) -> None:
        self._root = root.absolute()
        self._clock = clock
        self._workers = workers
        self._files = DiskFiles(self._root)
        self._index = DiskIndex(self._root / "index.sqlite")
        self._prepared = False

    @property
    def name(self) -> str:
        """``disk:/path``."""
        return f"disk:{self._root}"

    async def put(
        self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], overwrite: bool = False
    ) -> bool:
        """Stores the object; a damaged one counts as absent and is replaced."""
        now, facts = self._clock.now(), check_metadata(metadata)
        unhashed = BlobInfo(check_key(key), len(data), content_type, "", now, now, microseconds(now), facts)
        return await self._run(self._put, unhashed, data, overwrite)

    async def get(self, key: str) -> Blob | None:
        """The object; None when it is absent or damaged."""
        return await self._run(self._get, check_key(key))

    async def head(self, key: str) -> BlobInfo | None:
        """The object's facts, or None."""
        return await self._run(self._index.find, check_key(key))

    async def copy(self, source: str, target: str) -> bool:
        """Copies within the store; an existing target stays as it is."""
        check_key(target)
        blob = await self.get(source)
        if blob is None:
            return False
        await self.put(target, blob.data, content_type=blob.info.content_type, metadata=blob.info.metadata)
        return True

    async def touch(self, info: BlobInfo, when: datetime) -> None:
        """Moves the object's ``touched`` forward."""
        if when - info.touched >= TOUCH_EVERY:
            await self._run(self._index.touch, info.key, when, TOUCH_EVERY)

    async def delete(self, key: str) -> bool:
        """Deletes the object; True when it existed."""
        return await self._run(self._delete, check_key(key))

    async def list(self, selection: Selection = EVERYTHING) -> AsyncIterator[BlobInfo]:
        """Streams objects in key order, one page of the index at a time."""
        after = ""
        while page := await self._run(self._index.page, selection, after, PAGE):
            for info in page:
                yield info
            after = page[-1].key

    async def totals(self, selection: Selection = EVERYTHING) -> Mapping[str, StoredTotal]:
        """Totals by area."""
        return await self._run(self._index.totals, selection)

    async def strays(self, prefix: str = "", *, repair: bool) -> AsyncIterator[Stray]:
        """Streams the remains of crashes. A repair adopts an upload without a row; pictures can be drawn again."""
        found = self._strays(prefix, repair)
        while batch := await self._run(lambda: list(islice(found, PAGE))):
            for stray in batch:
                yield stray

    async def signed_url(self, key: str, lifetime: timedelta) -> str | None:  # noqa: ARG002  the port's signature
        """None: the HTTP app signs its own links."""
        return None

    async def ping(self) -> None:
        """Takes and releases the write lock: this fails on a read-only or full disk."""
        await self._run(self._ping)

    async def aclose(self) -> None:
        """Waits for running calls, then closes the index and the store's own workers."""
        await asyncio.to_thread(self._workers.close)
        self._index.close()

    # ------------------------------------------------------------------ in a worker thread

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        def call() -> T:
            self._prepare()
            return function(*args, **kwargs)

        try:
            return await self._workers.run(call)
        except (OSError, sqlite3.Error) as error:
            self._prepared = False  # the user may have deleted the cache by hand
            self._index.reopen()
            reason = error.strerror if isinstance(error, OSError) else error  # without paths: customers may see it
            raise StoreUnavailable(
                f"the cache cannot be used: {reason}",
                hint=f"Check the space and permissions of {self._root}, or set cache.dir to another folder.",
            ) from error

    def _prepare(self) -> None:
        if not self._prepared:
            self._files.prepare()
            self._prepared = True

    def _put(self, unhashed: BlobInfo, data: bytes, overwrite: bool) -> bool:
        if not overwrite and self._get(unhashed.key) is not None:
            return False
        info = replace(unhashed, sha256=hashlib.sha256(data).hexdigest())
        written = self._files.write_aside(data)
        try:
            with self._index.writing():
                if not overwrite and self._read_whole(info.key) is not None:
                    return False
                previous = self._index.find(info.key)
                generation = max(info.generation, previous.generation + 1) if previous else info.generation
                self._files.place(written, info.key)
                self._index.save(replace(info, generation=generation))
        finally:
            written.unlink(missing_ok=True)
        return True

    def _get(self, key: str) -> Blob | None:
        blob = self._read_whole(key)
        if blob is None and self._index.find(key) is not None:
            with self._index.writing():  # wait for writers: between rename and commit their row and file differ
                blob = self._read_whole(key)
        return blob

    def _read_whole(self, key: str) -> Blob | None:
        info = self._index.find(key)
        data = self._files.read(key) if info else None
        if info is None or data is None or hashlib.sha256(data).hexdigest() != info.sha256:
            return None
        return Blob(info, data)

    def _delete(self, key: str) -> bool:
        with self._index.writing():
            gone = self._files.remove(key)
            return self._index.remove(key) or gone

    def _ping(self) -> None:
        with self._index.writing():
            pass

    # ------------------------------------------------------------------ repair

    def _strays(self, prefix: str, repair: bool) -> Iterator[Stray]:
        for path, size in self._files.leftovers(self._clock.now() - LEFTOVER_AFTER):
            if repair:
                path.unlink(missing_ok=True)
            yield Stray(path.name, StrayKind.LEFTOVER, size, adopted=False)
        keys = self._files.walk(prefix)
        while batch := list(islice(keys, 500)):
            for key in sorted(set(batch) - self._index.known(batch)):
                yield from self._file_without_entry(key, repair)
        after = ""
        while page := self._index.page(Selection(prefix), after, PAGE):
            for info in page:
                yield from self._entry_without_file(info, repair)
            after = page[-1].key

    def _file_without_entry(self, key: str, repair: bool) -> Iterator[Stray]:
        with self._index.writing():  # wait for a writer that may be about to commit
            data = self._files.read(key)
            if data is None or self._index.find(key) is not None:
                return
            adopted = key.startswith("originals/") and len(data) > 0
            if repair and adopted:
                self._index.save(self._describe(key, data))
            elif repair:
                self._files.remove(key)
        yield Stray(key, StrayKind.FILE_WITHOUT_ENTRY, len(data), adopted)

    def _describe(self, key: str, data: bytes) -> BlobInfo:
        written = self._files.modified(key)
        media_type = _MEDIA_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        digest = hashlib.sha256(data).hexdigest()
        return BlobInfo(key, len(data), media_type, digest, written, written, microseconds(written))

    def _entry_without_file(self, info: BlobInfo, repair: bool) -> Iterator[Stray]:
        if self._files.exists(info.key):
            return
        with self._index.writing():
            if self._index.find(info.key) is None or self._files.exists(info.key):
                return
            if repair:
                self._index.remove(info.key)
        yield Stray(info.key, StrayKind.ENTRY_WITHOUT_FILE, info.size, adopted=False)
