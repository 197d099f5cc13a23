"""The composition root: every part of a running perkie, its type, and the module that makes it.

Each module makes the parts of one subject, with functions named like the parts and its imports at the top. It is
imported when one of its parts is first used.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, TypedDict, Unpack

from perkie_cli.bootstrap.parts import LazyParts, part
from perkie_cli.config.schema import Settings

if TYPE_CHECKING:
    from datetime import timedelta
    from pathlib import Path

    from perkie_cli.domain.cutouts.checkpoint import Checkpoint
    from perkie_cli.domain.cutouts.network import MattingNetwork
    from perkie_cli.domain.engines import DrawingChoice, MattingChoice
    from perkie_cli.domain.money.price_list import ModelCatalogue
    from perkie_cli.domain.picture import ImageLimits
    from perkie_cli.domain.pictures.style import BrokenStyle, ParameterFacts, Style, StyleCatalogue
    from perkie_cli.domain.quotas.limits import QuotaLimits
    from perkie_cli.domain.secret import Secret
    from perkie_cli.domain.storage.protection import Protection
    from perkie_cli.engines.inspyrenet.engine import InspyrenetEngine
    from perkie_cli.engines.networks.engine import NetworkEngines
    from perkie_cli.engines.u2net.engine import BuiltinEngine
    from perkie_cli.ops.lifecycle.lifecycle import Lifecycle
    from perkie_cli.ops.monitor.monitor import Monitor
    from perkie_cli.ports import (
        Backups,
        BlobStore,
        Buckets,
        Clock,
        DocumentStore,
        EventSink,
        Journal,
        Locks,
        MattingEngine,
        ModelStore,
        OutputStore,
        SpendLedger,
        StateFiles,
        StyleEngine,
        Workers,
    )
    from perkie_cli.ports.batch_api import BatchApi
    from perkie_cli.ports.iam import Access
    from perkie_cli.ports.monitoring import Monitoring
    from perkie_cli.ports.rollouts import RevisionSamples, RunServices
    from perkie_cli.resilience.guarded import GuardedMattingEngine, GuardedStyleEngine
    from perkie_cli.resilience.leases import Leases
    from perkie_cli.resilience.pace import Pace
    from perkie_cli.resilience.turns import Room, Turns
    from perkie_cli.services.cutouts.cut_out import Cutouts
    from perkie_cli.services.cutouts.evaluate import Evaluate
    from perkie_cli.services.cutouts.readiness import CutoutReadiness
    from perkie_cli.services.cutouts.source import CutoutSource
    from perkie_cli.services.cutouts.weights import ModelFiles
    from perkie_cli.services.pictures.cache import PictureCache
    from perkie_cli.services.pictures.generate import Generate
    from perkie_cli.services.pictures.ladder import Ladder
    from perkie_cli.services.pictures.near_duplicates import NearDuplicates
    from perkie_cli.services.pictures.originals import Originals
    from perkie_cli.services.pictures.warming import Warming
    from perkie_cli.services.quotas.admin import QuotaAdmin
    from perkie_cli.services.quotas.quotas import Quotas
    from perkie_cli.services.shop.idempotency import Idempotency
    from perkie_cli.services.shop.key_uses import KeyUses
    from perkie_cli.services.shop.process import Process
    from perkie_cli.services.shop.storefront import Storefront
    from perkie_cli.services.storage.keeping import CacheKeeping
    from perkie_cli.services.storage.restoring import Restoring
    from perkie_cli.services.storage.uploads import Uploads
    from perkie_cli.stores.google.firestore_connection import FirestoreConnection
    from perkie_cli.stores.google.storage_client import GcsConnection
    from perkie_cli.stores.google.ttl import FirestoreTtl
    from perkie_cli.telemetry.audit import AuditLog
    from perkie_cli.telemetry.cloud_monitoring import CloudMonitoring
    from perkie_cli.telemetry.counting import Counting
    from perkie_cli.telemetry.fanout import Sink
    from perkie_cli.telemetry.flushes import Flushes
    from perkie_cli.telemetry.measures import Measures
    from perkie_cli.telemetry.prometheus import Exposition
    from perkie_cli.telemetry.readings import Readings
    from perkie_cli.telemetry.traces import Traces


class Profile(Enum):
    """The kind of process that the services are for."""

    COMMAND = "command"  # pictures wait for their turn without limit
    SERVER = "server"  # excess work is refused; requests and events are counted


class Services(LazyParts):
    """All parts of a running perkie. Each is made at first use and then kept."""

    settings: Settings
    environ: Mapping[str, str]
    profile: Profile

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], profile: Profile, given: Mapping[str, object]
    ) -> None:
        vars(self).update(settings=settings, environ=environ, profile=profile)
        super().__init__(given)

    @property
    def is_server(self) -> bool:
        """Whether they were built for a server."""
        return self.profile is Profile.SERVER

    cache_dir: Path = part("world")
    styles_dir: Path = part("world")
    state_dir: Path = part("world")
    model_dirs: tuple[Path, ...] = part("world")
    clock: Clock = part("world")
    workers: Workers = part("world")
    drawing: Workers = part("world")
    io: Workers = part("world")
    limits: ImageLimits = part("world")

    listener: EventSink = part("world")
    audit: AuditLog = part("telemetry.reporting")
    events: EventSink = part("telemetry.reporting")
    measures: Measures = part("telemetry.server")
    server_sinks: Sequence[Sink] = part("telemetry.server")
    counting: Counting = part("telemetry.server")
    readings: Readings = part("telemetry.server")
    cloud_monitoring: CloudMonitoring = part("telemetry.server")
    flushes: Flushes = part("telemetry.server")
    traces: Traces = part("telemetry.traces")
    metrics: Exposition = part("telemetry.server")

    styles: StyleCatalogue = part("styles")
    style_check: Callable[[Sequence[Path]], Sequence[Style | BrokenStyle]] = part("styles")
    style_parameters: Mapping[str, Sequence[ParameterFacts]] = part("styles")
    models: ModelCatalogue = part("prices")

    blobs: BlobStore = part("stores.blobs")
    bucket: GcsConnection = part("stores.google")
    gcs_blobs: BlobStore = part("stores.google")
    buckets: Buckets = part("stores.google")
    resolved: Callable[[Secret | None], Secret | None] = part("stores.google")
    lifecycle: Lifecycle = part("stores.google")
    access: Access = part("stores.google")
    run_services: Callable[[str, str], RunServices] = part("stores.cloud_run")
    revision_samples: Callable[[str], RevisionSamples] = part("stores.cloud_run")
    firestore: FirestoreConnection = part("stores.firestore")
    firestore_documents: DocumentStore = part("stores.firestore")
    ttl_policies: FirestoreTtl = part("stores.firestore")

    monitoring: Monitoring = part("stores.monitoring")
    monitor: Monitor = part("stores.monitoring")

    lifetimes: Mapping[str, timedelta] = part("keeping")
    cache_keeping: CacheKeeping = part("keeping")
    restoring: Restoring = part("keeping")
    protection: Protection = part("keeping")

    quota_file: Path = part("stores.documents")
    documents: DocumentStore = part("stores.documents")
    leases: Leases = part("reservations")
    quota_limits: QuotaLimits = part("quotas")
    quotas: Quotas = part("reservations")
    quota_admin: QuotaAdmin = part("quota_admin")
    ledger: SpendLedger = part("stores.ledger")

    drawing_choice: DrawingChoice = part("engines")
    matting_choice: MattingChoice = part("engines")
    engines: Mapping[str, StyleEngine] = part("engines")
    matting_engines: Mapping[str, MattingEngine] = part("engines")
    networks: Mapping[str, MattingNetwork] = part("models")
    network_engines: NetworkEngines = part("engines")
    gemini: GuardedStyleEngine = part("engines.gemini")
    batch_api: BatchApi = part("engines.gemini")
    local: StyleEngine = part("engines.local")
    inspyrenet: InspyrenetEngine = part("engines.inspyrenet")
    check_matting: Callable[[], None] = part("engines.inspyrenet")
    export_checkpoint: Callable[[Checkpoint, Path], Awaitable[Path]] = part("engines.inspyrenet")
    builtin: BuiltinEngine = part("engines.builtin")
    remote_matting: GuardedMattingEngine = part("engines.remote")

    pictures: PictureCache = part("cache")
    generate: Generate = part("pictures")
    ladder: Ladder = part("pictures")
    local_pace: Pace = part("pictures")
    room: Room = part("room")
    drawing_turns: Turns = part("pictures")
    near_duplicates: NearDuplicates | None = part("cache")

    model_store: ModelStore = part("models")
    model_files: ModelFiles = part("models")
    cutouts: Cutouts = part("cutouts")
    cutout_source: CutoutSource = part("pictures")
    cutout_readiness: CutoutReadiness = part("cutouts")
    matting_turns: Turns = part("cutouts")
    evaluate: Evaluate = part("models")

    originals: Originals = part("shop")
    uploads: Uploads = part("shop")
    storefront: Storefront = part("shop")
    warming: Warming = part("pictures")
    process: Process = part("shop")
    idempotency: Idempotency = part("shop")
    key_uses: KeyUses = part("shop")

    outputs: OutputStore = part("stores.outputs")
    state_files: StateFiles = part("stores.state")
    backups: Backups = part("stores.state")
    journal: Journal = part("stores.outputs")
    locks: Locks = part("stores.outputs")


class Overrides(TypedDict, total=False):
    """Parts that can be passed in. ``events`` only for a command; for a server, which counts them, a ``listener``."""

    clock: Clock
    workers: Workers
    drawing: Workers
    io: Workers
    limits: ImageLimits
    listener: EventSink
    events: EventSink
    blobs: BlobStore
    bucket: GcsConnection
    documents: DocumentStore
    quotas: Quotas
    ledger: SpendLedger
    engines: Mapping[str, StyleEngine]
    matting_engines: Mapping[str, MattingEngine]
    gemini: GuardedStyleEngine
    batch_api: BatchApi
    local: StyleEngine
    inspyrenet: InspyrenetEngine
    remote_matting: GuardedMattingEngine
    near_duplicates: NearDuplicates | None
    process: Process


def build_services(
    settings: Settings,
    environ: Mapping[str, str] = os.environ,
    *,
    profile: Profile = Profile.COMMAND,
    **overrides: Unpack[Overrides],
) -> Services:
    """Services over ``settings``; ``overrides`` replace parts: ``build_services(settings, clock=clock)``.

    Raises: TypeError for parts that cannot be passed in.
    """
    if unknown := overrides.keys() - Overrides.__annotations__.keys():
        raise TypeError(
            f"{min(unknown)!r} is not a part that can be passed in; those are {', '.join(Overrides.__annotations__)}"
        )
    if profile is Profile.SERVER and "events" in overrides:
        raise TypeError("a server counts its events: pass listener, not events")
    return Services(settings, environ, profile, overrides)
