"""The store of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.bootstrap.world import IO_THREADS
from perkie_cli.ports import BlobStore
from perkie_cli.stores.disk.blobs import DiskBlobs
from perkie_cli.stores.recent import Recent
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services


def blobs(its: Services) -> BlobStore:
    """The cache's store, with its own threads, so that a hanging disk blocks nothing else."""
    if its.settings.cache.store == "gcs":
        return its.gcs_blobs
    limit, threads = its.settings.cache.max_size, thread_workers(IO_THREADS)
    recent = Recent(its.clock) if its.is_server else None
    largest = its.settings.http.max_image  # a photo is kept as it came, and hardly anything made of it is larger
    return DiskBlobs(its.cache_dir, its.clock, threads, limit=limit, events=its.events, recent=recent, largest=largest)
