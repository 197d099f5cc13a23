"""The parts that every other part stands on: settings, places, time, events, workers, limits."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.config.load import user_cache_dir, user_config_dir, user_state_dir
from perkie_cli.config.schema import Settings
from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.ports import Clock, EventSink, Workers

IO_THREADS = 8


class World:
    """Settings and environment, and what is made of them alone."""

    def __init__(self, settings: Settings, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.environ = environ

    # ---------------------------------------------------------------- places

    @cached_property
    def cache_dir(self) -> Path:
        """The disk store's folder."""
        return self.settings.cache.dir or user_cache_dir(self.environ)

    @cached_property
    def styles_dir(self) -> Path:
        """The folder of own style files."""
        return self.settings.general.styles_dir or user_config_dir(self.environ) / "styles"

    @cached_property
    def state_dir(self) -> Path:
        """Quotas, ledgers and records of made outputs."""
        return user_state_dir(self.environ)

    # ---------------------------------------------------------------- world

    @cached_property
    def clock(self) -> Clock:
        """Time."""
        return SystemClock()

    @cached_property
    def listener(self) -> EventSink:
        """Who hears of every event, besides the audit log."""
        return NoEvents()

    @cached_property
    def events(self) -> EventSink:
        """Where events go."""
        from perkie_cli.telemetry.audit import AuditLog

        return AuditLog(self.state_dir / "audit.jsonl", self.clock, self.listener)

    @cached_property
    def workers(self) -> Workers:
        """Threads for decoding and encoding."""
        return thread_workers(self.settings.general.workers)

    @cached_property
    def drawing(self) -> Workers:
        """Where the local engine draws; a batch puts processes here."""
        return self.workers

    @cached_property
    def io(self) -> Workers:
        """Threads that wait for disks and synchronous clients."""
        return thread_workers(IO_THREADS)

    @cached_property
    def limits(self) -> ImageLimits:
        """What inputs may be."""
        image = self.settings.image
        return ImageLimits(image.max_bytes, image.min_side, image.max_side, image.max_pixels)
