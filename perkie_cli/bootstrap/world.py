"""The base of all other parts: folders, clock, workers, limits."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.config.load import user_cache_dir, user_config_dir, user_data_dir, user_state_dir
from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.memory import give_back
from perkie_cli.system.threads import thread_workers

if TYPE_CHECKING:
    from perkie_cli.bootstrap.services import Services
    from perkie_cli.ports import Clock, EventSink, Workers

IO_THREADS = 8


def cache_dir(its: Services) -> Path:
    """The disk store's folder."""
    return its.settings.cache.dir or user_cache_dir(its.environ)


def styles_dir(its: Services) -> Path:
    """The folder of the user's style files."""
    return its.settings.general.styles_dir or user_config_dir(its.environ) / "styles"


def state_dir(its: Services) -> Path:
    """The folder of quotas, ledgers and records of outputs."""
    return user_state_dir(its.environ)


def model_dirs(its: Services) -> tuple[Path, ...]:
    """The folders to search for model files: our own, then those of transparent-background and rembg."""
    theirs = Path(its.environ.get("TRANSPARENT_BACKGROUND_FILE_PATH", "~")).expanduser()
    own = its.settings.matting.models_dir or user_data_dir(its.environ) / "models"
    home = Path(its.environ.get("XDG_DATA_HOME") or "~") / ".u2net"
    rembg = Path(its.environ.get("U2NET_HOME") or home).expanduser()
    return own, theirs / ".transparent-background", rembg


def clock(its: Services) -> Clock:
    """This machine's clock."""
    del its
    return SystemClock()


def workers(its: Services) -> Workers:
    """Threads for decoding and encoding. A server, which stays, gives their memory back when they are idle."""
    return thread_workers(its.settings.general.workers, give_back if its.is_server else None)


def drawing(its: Services) -> Workers:
    """The workers in which the local engine draws; a batch passes processes."""
    return its.workers


def io(its: Services) -> Workers:
    """Threads for blocking I/O: disks and synchronous clients."""
    del its
    return thread_workers(IO_THREADS)


def limits(its: Services) -> ImageLimits:
    """The limits of inputs."""
    image = its.settings.image
    return ImageLimits(image.max_bytes, image.min_side, image.max_side, image.max_pixels)


def listener(its: Services) -> EventSink:
    """Receives every event after the audit log."""
    del its
    return NoEvents()
