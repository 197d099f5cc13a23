"""Files without a row and rows without a file, after a crash: found, removed or adopted. Runs in a worker thread."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from itertools import islice

from perkie_cli.domain.pictures.cache_key import parse_name
from perkie_cli.domain.storage.selection import Selection
from perkie_cli.ports import BlobInfo, Clock, Stray, StrayKind
from perkie_cli.stores.disk.files import DiskFiles
from perkie_cli.stores.disk.index import DiskIndex, microseconds

PAGE = 1000  # rows fetched at a time
LEFTOVER_AFTER = timedelta(minutes=1)  # writing a picture takes milliseconds
_MEDIA_TYPES = {"jpg": "image/jpeg", "png": "image/png", "webp": "image/webp"}


class DiskStrays:
    """``after_writers``: a block that begins when no write is under way."""

    def __init__(
        self,
        files: DiskFiles,
        index: DiskIndex,
        clock: Clock,
        after_writers: Callable[[], AbstractContextManager[None]],
    ) -> None:
        self._files = files
        self._index = index
        self._clock = clock
        self._after_writers = after_writers

    def find(self, prefix: str, repair: bool) -> Iterator[Stray]:
        """Files and rows below the prefix that lack the other, and what interrupted writes left; with ``repair`` it is
        removed or adopted.
        """
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
        with self._index.writing() if repair else self._after_writers():  # one may be about to commit
            data = self._files.read(key)
            if data is None or self._index.find(key) is not None:
                return
            adopted = _is_worth_adopting(key, data)
            if repair and adopted:
                self._index.save(self._describe(key, data))
            elif repair:
                self._files.remove(key)
        yield Stray(key, StrayKind.FILE_WITHOUT_ENTRY, len(data), adopted)

    def _describe(self, key: str, data: bytes) -> BlobInfo:
        written = self._files.modified(key)
        media_type = _MEDIA_TYPES.get(key.rpartition(".")[2], "application/octet-stream")
        digest = hashlib.sha256(data).hexdigest()
        _, style = parse_name(key)
        facts = {"style": style, "recipe": key.rpartition("_")[2].partition(".")[0]} if style else {}
        return BlobInfo(key, len(data), media_type, digest, written, written, microseconds(written), facts)

    def _entry_without_file(self, info: BlobInfo, repair: bool) -> Iterator[Stray]:
        if self._files.exists(info.key):
            return
        with self._index.writing() if repair else self._after_writers():
            if self._index.find(info.key) is None or self._files.exists(info.key):
                return
            if repair:
                self._index.remove(info.key)
        yield Stray(info.key, StrayKind.ENTRY_WITHOUT_FILE, info.size, adopted=False)


def _is_worth_adopting(key: str, data: bytes) -> bool:
    """Whether a file without a row is kept: an upload, or a drawn picture that is whole, which may have been paid for.

    A cut-out is made again, with the facts that its row had.
    """
    if key.startswith("originals/"):
        return len(data) > 0
    whole = data.endswith(b"\xff\xd9") if key.endswith(".jpg") else data.endswith(b"IEND\xaeB`\x82")
    return whole and key.startswith(("generated/", "shared/"))
