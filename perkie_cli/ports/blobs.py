"""Where pictures are kept, and the rules of a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from perkie_cli.domain.storage.lifecycle import StoredFacts
from perkie_cli.domain.storage.selection import EVERYTHING, Selection, Tally


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """One stored object. ``touched`` is the custom time that sliding lifetimes count from."""

    key: str
    size: int  # bytes
    content_type: str
    sha256: str  # of the stored bytes, hex
    created: datetime
    touched: datetime
    generation: int
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blob:
    """An object with its bytes."""

    info: BlobInfo
    data: bytes


class StrayKind(StrEnum):
    """What can lie in a store besides whole objects."""

    FILE_WITHOUT_ENTRY = "file without entry"
    ENTRY_WITHOUT_FILE = "entry without file"
    LEFTOVER = "leftover"  # of a write that was cut off


@dataclass(frozen=True, slots=True)
class Stray:
    """Something left by a crash. ``adopted``: kept as an object by a repair, instead of removed."""

    key: str
    kind: StrayKind
    size: int  # bytes
    adopted: bool


TOUCH_EVERY = timedelta(days=1)


class BlobStore(Protocol):
    """Keeps bytes under keys (``domain.cache_key.check_key``). Writes are atomic; a reader sees a whole object or none.

    Every method raises StoreUnavailable when the store does not answer, and InvalidParameter for a bad key.
    """

    @property
    def name(self) -> str:
        """``disk`` or ``gcs``, with where it lies: ``disk:/path``, ``gs://bucket``."""

    async def put(
        self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], overwrite: bool = False
    ) -> bool:
        """Stores the object; without ``overwrite`` an existing whole one is left alone. True when written."""

    async def get(self, key: str) -> Blob | None:
        """The object; None when it is absent or its bytes do not match the hash kept with them."""

    async def head(self, key: str) -> BlobInfo | None:
        """The object's facts, or None."""

    async def copy(self, source: str, target: str) -> bool:
        """Copies within the store (with a new ``created`` and ``touched``); False when the source is gone.

        An existing target is left alone and counts as copied.
        """

    async def touch(self, info: BlobInfo, when: datetime) -> None:
        """Slides the lifetime: moves ``touched`` forward to ``when``, once it is ``TOUCH_EVERY`` old; never back.

        A missing object is no error.
        """

    async def delete(self, key: str) -> bool:
        """True when there was something to delete."""

    def list(self, selection: Selection = EVERYTHING) -> AsyncIterator[BlobInfo]:
        """Streams objects in key order, in bounded memory. Deleting what was listed is allowed meanwhile."""

    async def tally(self, selection: Selection = EVERYTHING) -> Mapping[str, Tally]:
        """Counts and bytes by area (``domain.selection.AREAS`` and ``OTHER``); areas without objects are left out."""

    def strays(self, prefix: str = "", *, repair: bool) -> AsyncIterator[Stray]:
        """Streams what a crash left under the prefix; ``repair`` adopts or removes it."""

    async def signed_url(self, key: str, lifetime: timedelta) -> str | None:
        """A link that expires, or None where the store has none (disk: the HTTP app signs its own)."""

    async def ping(self) -> None:
        """Raises StoreUnavailable when the store does not answer."""

    async def aclose(self) -> None:
        """Frees connections."""


@dataclass(frozen=True, slots=True)
class BucketState:
    """What a bucket says about lifetimes. ``rules`` as raw JSON: it may hold what perkie does not know."""

    rules: Sequence[Mapping[str, Any]]
    versioning: bool
    soft_delete: timedelta
    metageneration: int


class BucketRules(Protocol):
    """The lifecycle of one bucket.

    Every method raises StoreUnavailable, NotAuthorised, and InvalidSetting for a bucket that is absent.
    """

    @property
    def name(self) -> str:
        """``gs://bucket``."""

    async def read(self) -> BucketState:
        """As it stands."""

    async def write(self, rules: Sequence[Mapping[str, Any]], metageneration: int) -> bool:
        """Replaces all rules; False when the bucket was changed since ``metageneration``."""

    def versions(self) -> AsyncIterator[tuple[StoredFacts, int]]:
        """Streams every version of every object with its size in bytes."""
