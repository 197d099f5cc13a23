"""Storage of pictures, and the rules of a bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import StoredFacts
from perkie_cli.domain.storage.selection import EVERYTHING, Selection, StoredTotal


@frozen
class BlobInfo:
    """One stored object. ``touched`` is the custom time that sliding lifetimes count from.

    ``fault``: which of its facts make no sense, in words; the object itself may be whole.
    """

    key: str
    size: int  # bytes
    content_type: str
    sha256: str  # of the stored bytes, hex
    created: datetime
    touched: datetime
    generation: int
    metadata: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None


@frozen
class Blob:
    """An object with its bytes."""

    info: BlobInfo
    data: bytes


class StrayKind(StrEnum):
    """What a store can hold apart from whole objects."""

    FILE_WITHOUT_ENTRY = "file without entry"
    ENTRY_WITHOUT_FILE = "entry without file"
    LEFTOVER = "leftover"  # of an interrupted write


@frozen
class Stray:
    """Something left by a crash. ``adopted``: a repair kept it as an object instead of removing it."""

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
        """The store's location: ``disk:/path``, ``gs://bucket``."""

    async def put(
        self, key: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], overwrite: bool = False
    ) -> bool:
        """Stores the object; without ``overwrite`` an existing intact one stays. True when written."""

    async def get(self, key: str) -> Blob | None:
        """The object; None when it is absent or its bytes do not match the hash kept with them."""

    async def head(self, key: str) -> BlobInfo | None:
        """The object's facts, or None."""

    async def copy(self, source: str, target: str) -> bool:
        """Copies within the store (with a new ``created`` and ``touched``); False when the source is missing.

        An existing target stays as it is and counts as copied.
        """

    async def touch(self, info: BlobInfo, when: datetime) -> None:
        """Extends the lifetime: moves ``touched`` forward to ``when`` if that is at least ``TOUCH_EVERY`` later.

        A missing object is not an error.
        """

    async def delete(self, key: str) -> bool:
        """Deletes the object; True when it existed."""

    def list(self, selection: Selection = EVERYTHING) -> AsyncIterator[BlobInfo]:
        """Streams objects in key order, in bounded memory. Listed objects may be deleted during the listing."""

    async def totals(self, selection: Selection = EVERYTHING) -> Mapping[str, StoredTotal]:
        """Counts and bytes by area (``domain.selection.AREAS`` and ``OTHER``); areas without objects are left out."""

    def strays(self, prefix: str = "", *, repair: bool) -> AsyncIterator[Stray]:
        """Streams the remains of crashes under the prefix; ``repair`` adopts or removes them."""

    async def renew_index(self) -> str | None:
        """Moves a corrupt index aside, so that ``strays`` can rebuild it from the objects. Returns its new place.

        None if it is whole, or if there is none (a bucket).
        """

    async def signed_url(self, key: str, lifetime: timedelta) -> str | None:
        """A link that expires, or None if the store cannot sign (disk: the HTTP app signs its own)."""

    async def ping(self) -> None:
        """Checks that the store answers. Raises: StoreUnavailable."""

    async def aclose(self) -> None:
        """Frees connections."""


@frozen
class GoneObject:
    """The newest version that a bucket still has of an object which is not live.

    ``gone``: since when. ``until``: the end of soft delete; None for a noncurrent version, which the bucket's rules
    delete. ``removed``: perkie deleted it, as in an erasure.
    """

    facts: StoredFacts
    size: int  # bytes
    generation: int
    gone: datetime
    until: datetime | None
    removed: bool


class GoneObjects(Protocol):
    """What versioning and soft delete keep. Every method raises StoreUnavailable, NotAuthorised, InvalidSetting."""

    @property
    def name(self) -> str:
        """``gs://bucket``."""

    async def list(self, prefix: str) -> Sequence[GoneObject]:
        """Those whose keys begin with the prefix, in key order."""

    async def bring_back(self, gone: GoneObject, now: datetime) -> bool:
        """Makes that version live, as used ``now``. False if it is gone for good, or the key is live again."""


@frozen
class BucketState:
    """A bucket's settings. ``rules`` is raw JSON: it may have fields that perkie does not know. ``never_public``:
    public access prevention is enforced by the bucket itself.
    """

    rules: Sequence[Mapping[str, Any]]
    versioning: bool
    soft_delete: timedelta
    metageneration: int
    never_public: bool


class BucketRules(Protocol):
    """The lifecycle of one bucket.

    Every method raises StoreUnavailable, NotAuthorised, and InvalidSetting for a bucket that is absent.
    """

    @property
    def name(self) -> str:
        """``gs://bucket``."""

    async def read(self) -> BucketState:
        """The bucket's current settings."""

    async def readers(self) -> Mapping[str, Sequence[str]]:
        """The members of its IAM policy, such as ``allUsers``, each with its roles. Raises: WrongCredentials, too."""

    async def write(self, rules: Sequence[Mapping[str, Any]], metageneration: int) -> bool:
        """Replaces all rules; False when the bucket was changed since ``metageneration``."""

    def versions(self) -> AsyncIterator[tuple[StoredFacts, int]]:
        """Streams every version of every object with its size in bytes."""
