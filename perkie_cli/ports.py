"""What perkie asks of the world. Everything that touches it stands behind one of these protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ParamSpec, Protocol, TypeVar, runtime_checkable

from perkie_cli.domain.cache_key import Recipe
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.generation import Usage
from perkie_cli.domain.lifecycle import StoredFacts
from perkie_cli.domain.money import Receipt, Spend
from perkie_cli.domain.selection import EVERYTHING, Selection, Tally
from perkie_cli.domain.style import Style

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from perkie_cli.imaging.raster import Raster
    from perkie_cli.telemetry.events import Event

P = ParamSpec("P")
T = TypeVar("T")


class Clock(Protocol):
    """Time, injected."""

    def now(self) -> datetime:
        """Wall time, aware, in UTC."""

    def monotonic(self) -> float:
        """Seconds on a scale that never goes back."""

    async def sleep(self, seconds: float) -> None:
        """Waits; cancellable."""


class Workers(Protocol):
    """A bounded pool for work that would stall the event loop."""

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs ``function`` in the pool. Cancelling the wait does not stop the function."""

    def close(self) -> None:
        """Frees the pool."""


# ------------------------------------------------------------------ engines


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One picture to draw. ``size``: long side of the result in px."""

    raster: Raster
    style: Style
    size: int
    deadline: Deadline = field(default_factory=Deadline.never)
    model: str | None = None
    safe: bool = False  # use the style's safe prompt
    cutout: str | None = None  # fingerprint of the recipe that cut the raster out, where one did
    receipt: Receipt = field(default_factory=Receipt)  # filled in as calls are made


@dataclass(frozen=True, slots=True)
class Rendering:
    """What an engine drew."""

    raster: Raster
    engine: str
    model: str
    usage: Usage = field(default_factory=Usage)
    warnings: tuple[str, ...] = ()


class StyleEngine(Protocol):
    """Draws a picture in a style."""

    @property
    def name(self) -> str:
        """``gemini`` or ``local``."""

    def recipe(self, style: Style, size: int, model: str | None = None) -> Recipe:
        """What decides the look of ``render`` for this style, for the cache key."""

    async def render(self, job: RenderJob) -> Rendering:
        """Raises: BadInput, NotAuthorised, Unavailable, Blocked, LimitReached."""

    async def aclose(self) -> None:
        """Frees connections."""


@dataclass(frozen=True, slots=True)
class MattingJob:
    """One picture to find the subject of. ``encoded`` is the upload as it came, for an engine that sends it on."""

    raster: Raster
    mode: str = "base"
    deadline: Deadline = field(default_factory=Deadline.never)
    encoded: bytes | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Matte:
    """What a matting engine found.

    ``alpha`` is uint8 (height, width) of the job's raster; ``confidence`` 0..1, before any stretching; ``device`` what
    really ran; ``notes`` are sentences for the user.
    """

    alpha: NDArray[np.uint8]
    confidence: float
    engine: str
    model: str
    device: str
    notes: tuple[str, ...] = ()


class MattingEngine(Protocol):
    """Separates the subject from its background."""

    @property
    def name(self) -> str:
        """``inspyrenet``, ``builtin`` or ``remote``."""

    def recipe(self, mode: str) -> Recipe:
        """What decides the matte besides the picture, for the cache key.

        Raises: InvalidParameter for a mode that it does not have.
        """

    async def matte(self, job: MattingJob) -> Matte:
        """Raises: MissingExtra, MissingWeights, MissingDevice, Unavailable, InvalidParameter."""

    async def aclose(self) -> None:
        """Frees the model and connections."""


@runtime_checkable
class PricedEngine(StyleEngine, Protocol):
    """A style engine whose pictures cost money."""

    def price(self, size: int, model: str | None = None) -> Decimal:
        """Dollars that one picture with that long side in px is expected to take.

        Raises: RetiredModel, InvalidParameter.
        """

    async def warm_up(self) -> None:
        """Loads what the first picture would else wait for. Raises: MissingCredentials."""

    async def live_models(self) -> set[str]:
        """Ids of the models that the upstream lists now. Raises: NotAuthorised, Unavailable."""


# ------------------------------------------------------------------ money


class SpendLedger(Protocol):
    """Books what upstream calls take, over all processes. Days are UTC.

    Every method raises StoreUnavailable when the store does not answer.
    """

    async def reserve(self, model: str, usd: Decimal, cap: Decimal) -> str:
        """Books ``usd`` before a call is made and returns the booking's id.

        A booking that is never settled (the call timed out, was cancelled, or this process died) stays, as possible
        spend. Raises: DailyCapReached, when the day's bookings would pass ``cap``; nothing is booked then.
        """

    async def settle(self, booking: str, usage: Usage) -> None:
        """Puts what the call really took in the place of what was reserved; nothing, where it was not billed."""

    async def spent(self, day: date) -> Decimal:
        """All of a day's bookings, possible spend included."""

    async def report(self, first: date, last: date) -> Sequence[Spend]:
        """The days from ``first`` to ``last``, both included, by day and model; days without calls are left out."""

    async def ping(self) -> None:
        """Returns when the store answers."""

    async def aclose(self) -> None:
        """Frees connections."""


class Downloads(Protocol):
    """Fetches large files over the network."""

    async def fetch(self, url: str, part: Path, progress: Callable[[int, int | None], None]) -> None:
        """Completes ``part``, going on from what it holds; ``progress`` is told bytes done and in all.

        Raises: UpstreamFault when it breaks off (what came stays in ``part``), UpstreamRefused when the server does
        not have it, StoreUnavailable when it cannot be written, AtCapacity when another process is at it.
        """


# ------------------------------------------------------------------ blobs


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


# ------------------------------------------------------------------ documents

Document = Mapping[str, Any]
"""JSON values by name; ``expires`` (epoch seconds) says when nobody needs the document any more."""


@dataclass(frozen=True, slots=True)
class DocumentRef:
    """Where a document lies. ``id`` has no ``/``; ids that begin alike can be scanned together."""

    collection: str
    id: str


Change = Callable[[Sequence[Document | None]], tuple[Sequence[Document | None], T]]
"""Pure: from the documents as they are (None: absent) to the documents as they shall be, and a result.

It may be called again after a lost race, or after an answer that was lost although the change was made: it must be
idempotent. What it raises leaves everything as it was.
"""


class DocumentStore(Protocol):
    """Small documents, changed together in transactions: quotas, idempotency records and their like.

    Every method raises StoreUnavailable when the store does not answer, NotAuthorised when it lets nobody in.
    """

    @property
    def name(self) -> str:
        """``sqlite:/path``, ``firestore:project`` or ``memory``."""

    async def update(self, refs: Sequence[DocumentRef], change: Change[T]) -> T:
        """Reads the documents, changes them and writes those that differ, atomically and isolated.

        Cancelled, it has happened or not; never a part of it.
        """

    async def read(self, refs: Sequence[DocumentRef]) -> Sequence[Document | None]:
        """The documents as they are, in the order of ``refs``."""

    def scan(self, collection: str, prefix: str = "") -> AsyncIterator[tuple[str, Document]]:
        """Streams (id, document) in id order, in bounded memory."""

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


# ------------------------------------------------------------------ telemetry


class EventSink(Protocol):
    """Takes events; must be quick and must not raise."""

    def emit(self, event: Event) -> None:
        """Records one event."""
