"""What perkie asks of the world. Everything that touches it stands behind one of these protocols."""

from perkie_cli.ports.blobs import TOUCH_EVERY, Blob, BlobInfo, BlobStore, BucketRules, BucketState, Stray, StrayKind
from perkie_cli.ports.engines import Matte, MattingEngine, MattingJob, PricedEngine, Rendering, RenderJob, StyleEngine
from perkie_cli.ports.records import Change, Document, DocumentRef, DocumentStore, SpendLedger
from perkie_cli.ports.world import Clock, Downloads, EventSink, Workers

__all__ = [
    "TOUCH_EVERY",
    "Blob",
    "BlobInfo",
    "BlobStore",
    "BucketRules",
    "BucketState",
    "Change",
    "Clock",
    "Document",
    "DocumentRef",
    "DocumentStore",
    "Downloads",
    "EventSink",
    "Matte",
    "MattingEngine",
    "MattingJob",
    "PricedEngine",
    "RenderJob",
    "Rendering",
    "SpendLedger",
    "Stray",
    "StrayKind",
    "StyleEngine",
    "Workers",
]
