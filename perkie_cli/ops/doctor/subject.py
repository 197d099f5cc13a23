"""What the checks look at: the settings with their origin, and the parts that they configure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Protocol, TypeVar

from perkie_cli.config.load import Loaded
from perkie_cli.config.schema import Settings
from perkie_cli.domain.cutouts.network import MattingNetwork
from perkie_cli.domain.engines import DrawingChoice, MattingChoice
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.price_list import ModelCatalogue
from perkie_cli.domain.pictures.style import StyleCatalogue
from perkie_cli.domain.storage.selection import StoredTotal
from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
from perkie_cli.ports import BlobStore, Clock, DocumentStore, ModelStore, PricedEngine, SpendLedger, StateFiles, Workers
from perkie_cli.ports.iam import Access
from perkie_cli.ports.rollouts import RunServices

T = TypeVar("T")


class Shipped(Protocol):
    """An engine whose weights come with perkie."""

    async def check_weights(self) -> None:
        """Reads them. Raises: BrokenInstall."""


class TtlPolicies(Protocol):
    """The TTL policies of a document store."""

    field: str

    async def missing(self, collections: Sequence[str]) -> Sequence[str]:
        """The full names of the collections without one. Raises: StoreUnavailable, NotAuthorised."""


class Restorables(Protocol):
    """What a bucket keeps of deleted objects."""

    async def restorable(self) -> StoredTotal:
        """All that can come back. Raises: StoreUnavailable, NotAuthorised."""


class Weighty(Protocol):
    """The weights of the configured matting engine."""

    @property
    def needs_weights(self) -> bool:
        """Whether it runs a model file in this process."""

    async def check_weights(self) -> None:
        """Raises: MissingWeights."""


class Parts(Protocol):
    """The parts of an installation that checks use. Each is made at first use, which may import a client."""

    @property
    def settings(self) -> Settings:
        """The settings in force."""

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment's variables."""

    @property
    def cache_dir(self) -> Path:
        """The disk store's folder."""

    @property
    def state_dir(self) -> Path:
        """The folder of quotas, ledgers and records."""

    @property
    def clock(self) -> Clock:
        """The time."""

    @property
    def io(self) -> Workers:
        """Threads that may block."""

    @property
    def styles(self) -> StyleCatalogue:
        """Every style, and the broken files."""

    @property
    def models(self) -> ModelCatalogue:
        """Image models and their prices."""

    @property
    def blobs(self) -> BlobStore:
        """The store of pictures."""

    @property
    def lifecycle(self) -> Lifecycle:
        """The rules of the bucket."""

    @property
    def restoring(self) -> Restorables:
        """What the bucket keeps of deleted objects."""

    @property
    def lifetimes(self) -> Mapping[str, timedelta]:
        """How long unused pictures are kept, by area."""

    @property
    def documents(self) -> DocumentStore:
        """The store of quotas."""

    @property
    def ttl_policies(self) -> TtlPolicies:
        """Those of Firestore."""

    @property
    def access(self) -> Access:
        """What Google Cloud lets these credentials do."""

    @property
    def run_services(self) -> Callable[[str, str], RunServices]:
        """Makes the connection to Cloud Run in a project and region."""

    @property
    def ledger(self) -> SpendLedger:
        """The ledger of spending."""

    @property
    def state_files(self) -> StateFiles:
        """The SQLite files of the state folder."""

    @property
    def drawing_choice(self) -> DrawingChoice:
        """Which engine draws."""

    @property
    def matting_choice(self) -> MattingChoice:
        """Which engine cuts out."""

    @property
    def gemini(self) -> PricedEngine:
        """The Gemini engine."""

    @property
    def builtin(self) -> Shipped:
        """The small matting engine."""

    @property
    def networks(self) -> Mapping[str, MattingNetwork]:
        """The networks of models.toml."""

    @property
    def model_store(self) -> ModelStore:
        """The folders of model files."""

    @property
    def cutout_readiness(self) -> Weighty:
        """What the matting engine needs."""


@frozen
class Subject:
    """One installation."""

    loaded: Loaded
    parts: Parts

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self.loaded.settings

    @property
    def draws_with_gemini(self) -> bool:
        """Whether pictures come from the API."""
        return self.parts.drawing_choice.meant() == "gemini"

    async def blocking(self, function: Callable[[Parts], T]) -> T:
        """Runs what reads files, or makes a part, in a thread: a dead network disk must not hold up other checks."""
        return await self.parts.io.run(function, self.parts)
