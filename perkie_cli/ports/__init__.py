"""Protocols for everything outside the process: stores, engines, clock, network."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perkie_cli.ports.backups import Backup, Backups, CopiedFile
    from perkie_cli.ports.blobs import (
        TOUCH_EVERY,
        Blob,
        BlobInfo,
        BlobStore,
        BucketRules,
        BucketState,
        GoneObject,
        GoneObjects,
        Stray,
        StrayKind,
    )
    from perkie_cli.ports.buckets import Buckets, RemoteObject
    from perkie_cli.ports.engines import (
        Loadable,
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
    from perkie_cli.ports.world import Clock, DownloadProgress, Downloads, EventSink, Locks, NextProbe, Workers

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
    "GoneObject",
    "GoneObjects",
    "Journal",
    "Loadable",
    "Locks",
    "MadeOutput",
    "Matte",
    "MattingEngine",
    "MattingJob",
    "ModelStore",
    "NextProbe",
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
_MODULES = ("world", "records", "blobs", "journal", "models", "backups", "buckets", "engines")  # the costly ones last


def __getattr__(name: str) -> Any:
    """Imports the ports when they are first asked for: most commands need few of them."""
    if name in __all__:
        for module in _MODULES:
            if (found := getattr(import_module(f"{__name__}.{module}"), name, None)) is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
