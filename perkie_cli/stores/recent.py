"""What a server read a moment ago, for those who ask for it again at once."""

from __future__ import annotations

from collections import OrderedDict

from perkie_cli.ports import Blob, Clock

SECONDS = 1.0  # so long another process's deletion or replacement may go unnoticed
MOST_BYTES = 16 * 1024 * 1024


class Recent:
    """Whole objects by key, for ``SECONDS`` after each was read. For one event loop."""

    def __init__(self, clock: Clock, most_bytes: int = MOST_BYTES) -> None:
        self._clock = clock
        self._most = most_bytes
        self._held = 0
        self._blobs: OrderedDict[str, tuple[Blob, float]] = OrderedDict()  # and until when, the oldest first
        self.changes = 0

    def find(self, key: str) -> Blob | None:
        """The object, if it was read in the last second."""
        self._drop_old()
        found = self._blobs.get(key)
        return None if found is None else found[0]

    def keep(self, blob: Blob, changes: int) -> None:
        """Keeps an object that was read while there had been so many ``changes``: another one may have replaced it."""
        if changes == self.changes and len(blob.data) <= self._most:
            self._drop(blob.info.key)
            self._blobs[blob.info.key] = blob, self._clock.monotonic() + SECONDS
            self._held += len(blob.data)
            while self._held > self._most:
                self._drop(next(iter(self._blobs)))

    def forget(self, key: str) -> None:
        """Says that the object changes."""
        self.changes += 1
        self._drop(key)

    def _drop_old(self) -> None:
        now = self._clock.monotonic()
        while self._blobs and next(iter(self._blobs.values()))[1] <= now:
            self._drop(next(iter(self._blobs)))

    def _drop(self, key: str) -> None:
        if (found := self._blobs.pop(key, None)) is not None:
            self._held -= len(found[0].data)
