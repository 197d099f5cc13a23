"""Blobs in a folder with a SQLite index: the default store, shared by any number of processes.

::

    DIR/index.sqlite     facts of every object
    DIR/objects/KEY      the bytes
    DIR/tmp/             files being written

A write goes to ``tmp``, is renamed into place under the index's write lock, and its row is committed last: at worst a
crash leaves a file without a row. A delete unlinks the file before the commit: at worst a crash leaves a row without
a file, so that an interrupted erasure can be continued. ``strays`` repairs both, and rebuilds a lost index: the key
says which picture it is, the picture its size.

Nothing is fsynced: a cache can be rebuilt, and after a power loss a torn file does not match its hash and is not
served. Files have mode 0600, folders 0700.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import ParamSpec, TypeVar

from perkie_cli.domain.errors import TooManyBytes
from perkie_cli.domain.events import CacheTrimmed
from perkie_cli.domain.pictures.cache_key import check_key
from perkie_cli.domain.storage.metadata import check_metadata
from perkie_cli.domain.storage.selection import EVERYTHING, Selection, StoredTotal
from perkie_cli.domain.units import format_size
from perkie_cli.ports import TOUCH_EVERY, Blob, BlobInfo, Clock, EventSink, Stray, Workers
from perkie_cli.stores.disk.files import DiskFiles
from perkie_cli.stores.disk.index import REPAIR, DiskIndex, microseconds
from perkie_cli.stores.disk.strays import DiskStrays
from perkie_cli.stores.recent import Recent
from perkie_cli.stores.sqlite.trouble import UNWRITABLE, Cause, StoreFile, cause_of, store_error, too_little_room

P = ParamSpec("P")
T = TypeVar("T")
PAGE = 1000  # rows fetched at a time


class DiskBlobs:
    """``ports.BlobStore`` over a folder. The constructor does no I/O; the first call opens or creates the folder.

    With a ``limit`` in bytes a write removes the objects that were unused the longest, across all processes. The first
    time this is told to ``events``. ``recent`` remembers what was just read. ``ping`` wants room for
    an object of ``largest`` bytes.
    """

    def __init__(
        self,
        root: Path,
        clock: Clock,
        workers: Workers,
        *,
        limit: int | None = None,
        events: EventSink | None = None,
        recent: Recent | None = None,
        largest: int = 0,
    ) -> None:
        self._root = root.absolute()
        self._limit = limit
        self._largest = largest if limit is None else min(largest, limit)
        self._events = events
        self._trimmed = False
        self._recent = recent
        self._clock = clock
        self._workers = workers
        self._files = DiskFiles(self._root)
        # No path in its title: messages about the cache reach customers, hints do not.
        self._index_file = StoreFile(self._root / "index.sqlite", "the cache", REPAIR)
        self._index = DiskIndex(self._index_file.path)
        self._strays = DiskStrays(self._files, self._index, clock, self._after_writers)
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
        with self._changing(key):
            written = await self._run(self._prepared_for(self._put), unhashed, data, overwrite)
        if self._trimmed and self._events is not None and self._limit is not None:
            self._events.emit(CacheTrimmed(self._limit))
            self._events = None
        return written

    async def get(self, key: str) -> Blob | None:
        """The object; None when it is absent or damaged."""
        if self._recent is None:
            return await self._run(self._get, check_key(key))
        if (blob := self._recent.find(key)) is None:
            changes = self._recent.changes
            blob = await self._run(self._get, check_key(key))
            if blob is not None:
                self._recent.keep(blob, changes)
        return blob

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
        with self._changing(key):
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
        found = self._strays.find(prefix, repair)
        while batch := await self._run(lambda: list(islice(found, PAGE))):
            for stray in batch:
                yield stray

    async def renew_index(self) -> str | None:
        """Moves a corrupt index aside; ``strays`` then finds every file without its row."""
        aside = await self._run(self._index.renew, self._clock.now())
        return None if aside is None else str(aside)

    async def signed_url(self, key: str, lifetime: timedelta) -> str | None:  # noqa: ARG002  the port's signature
        """None: the HTTP app signs its own links."""
        return None

    async def ping(self) -> None:
        """Takes and releases the write lock: this fails on a read-only disk, and on one without room for a picture."""
        await self._run(self._prepared_for(self._ping))

    async def aclose(self) -> None:
        """Waits for running calls, then closes the index and the store's own workers."""
        await asyncio.to_thread(self._workers.close)
        self._index.close()

    @contextmanager
    def _changing(self, key: str) -> Iterator[None]:
        try:
            yield
        finally:
            if self._recent is not None:
                self._recent.forget(key)

    # ------------------------------------------------------------------ in a worker thread

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._workers.run(function, *args, **kwargs)
        except (OSError, sqlite3.Error) as error:
            self._prepared = False  # the user may have deleted the cache by hand
            self._index.reopen()
            raise store_error(self._index_file, error) from error

    def _prepared_for(self, write: Callable[P, T]) -> Callable[P, T]:
        """Makes the folders first. A read does without: it must also work where nothing can be made."""

        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            if not self._prepared:
                self._files.prepare()
                self._prepared = True
            return write(*args, **kwargs)

        return call

    def _put(self, unhashed: BlobInfo, data: bytes, overwrite: bool) -> bool:
        if not overwrite and self._get(unhashed.key) is not None:
            return False
        if self._limit is not None and len(data) > self._limit:
            raise TooManyBytes(f"the object has {format_size(len(data))}, more than cache.max_size")
        info = replace(unhashed, sha256=hashlib.sha256(data).hexdigest())
        written = self._files.write_aside(data)
        try:
            with self._index.writing():
                if not overwrite and self._read_whole(info.key) is not None:
                    return False
                previous = self._index.find(info.key)
                generation = max(info.generation, previous.generation + 1) if previous else info.generation
                if self._limit is not None:
                    self._trim(self._index.make_room(info.key, info.size, self._limit))
                self._files.place(written, info.key)
                self._index.save(replace(info, generation=generation))
        finally:
            written.unlink(missing_ok=True)
        return True

    def _trim(self, victims: Sequence[str]) -> None:
        for key in victims:
            self._files.remove(key)
            self._index.remove(key)
        self._trimmed = self._trimmed or bool(victims)

    def _get(self, key: str) -> Blob | None:
        blob = self._read_whole(key)
        if blob is None and self._index.find(key) is not None:
            with self._after_writers():  # between rename and commit their row and file differ
                blob = self._read_whole(key)
        return blob

    def _read_whole(self, key: str) -> Blob | None:
        info = self._index.find(key)
        data = self._files.read(key) if info else None
        if info is None or data is None or hashlib.sha256(data).hexdigest() != info.sha256:
            return None
        return Blob(info, data)

    @contextmanager
    def _after_writers(self) -> Iterator[None]:
        """Waits for running writers and keeps others out; on a disk where nobody can write there are none."""
        with ExitStack() as stack:
            try:
                stack.enter_context(self._index.writing())
            except (OSError, sqlite3.Error) as error:
                if cause_of(error, self._index_file.path) not in UNWRITABLE:
                    raise
            yield

    def _delete(self, key: str) -> bool:
        try:
            return self._delete_both(key)
        except (OSError, sqlite3.Error) as error:
            if cause_of(error, self._index_file.path) is not Cause.FULL:
                raise
        gone = self._files.remove(key)  # makes room for the index on a full disk; a row that stays is found again
        try:
            return self._index.remove_alone(key) or gone
        except sqlite3.Error as error:
            if cause_of(error, self._index_file.path) is not Cause.LOCKED:
                raise
        return self._delete_both(key) or gone

    def _delete_both(self, key: str) -> bool:
        with self._index.writing():
            gone = self._files.remove(key)
            return self._index.remove(key) or gone

    def _ping(self) -> None:
        with self._index.writing():
            pass
        left = shutil.disk_usage(self._root).free
        if left < self._largest:
            raise too_little_room(self._index_file, left, self._largest)
