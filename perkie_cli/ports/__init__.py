"""Protocols for everything outside the process: stores, engines, clock, network."""

from typing import TYPE_CHECKING, Any

from perkie_cli.ports.backups import Backup, Backups, CopiedFile
from perkie_cli.ports.blobs import TOUCH_EVERY, Blob, BlobInfo, BlobStore, BucketRules, BucketState, Stray, StrayKind
from perkie_cli.ports.buckets import Buckets, RemoteObject
from perkie_cli.ports.journal import Journal
from perkie_cli.ports.models import ModelStore, Pair, PairStore
from perkie_cli.ports.records import (
    STORE_DOWN,
    Change,
    Document,
    DocumentRef,
    DocumentStore,
    MadeOutput,
    OutputStore,
    SpendLedger,
    StateFile,
    StateFiles,
)
from perkie_cli.ports.world import Clock, DownloadProgress, Downloads, EventSink, Locks, Workers

if TYPE_CHECKING:
    from perkie_cli.ports.engines import (
        Matte,
        MattingEngine,
        MattingJob,
        PricedEngine,
        Rendering,
        RenderJob,
        Sending,
        StyleEngine,
        WarmableEngine,
        WarmableMatting,
    )

__all__ = [
    "STORE_DOWN",
    "TOUCH_EVERY",
    "Backup",
    "Backups",
    "Blob",
    "BlobInfo",
    "BlobStore",
    "BucketRules",
    "BucketState",
    "Buckets",
    "Change",
    "Clock",
    "CopiedFile",
    "Document",
    "DocumentRef",
    "DocumentStore",
    "DownloadProgress",
    "Downloads",
    "EventSink",
    "Journal",
    "Locks",
    "MadeOutput",
    "Matte",
    "MattingEngine",
    "MattingJob",
    "ModelStore",
    "OutputStore",
    "Pair",
    "PairStore",
    "PricedEngine",
    "RemoteObject",
    "RenderJob",
    "Rendering",
    "Sending",
    "SpendLedger",
    "StateFile",
    "StateFiles",
    "Stray",
    "StrayKind",
    "StyleEngine",
    "WarmableEngine",
    "WarmableMatting",
    "Workers",
]


def __getattr__(name: str) -> Any:
    """Imports the engine ports at first use: they need most of ``domain``, which ``cache stats`` should not pay for."""
    if name not in __all__:
        raise AttributeError(name)
    from perkie_cli.ports import engines

    return getattr(engines, name)
