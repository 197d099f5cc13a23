"""Which server this is, for whoever collects from many: Cloud Run's names, or this machine's."""

from __future__ import annotations

import os
import socket
import urllib.request
from collections.abc import Mapping
from urllib.error import URLError

from perkie_cli.domain.frozen import frozen

_METADATA = "metadata.google.internal"
_WITHIN = 1.0  # seconds


@frozen
class Instance:
    """``task`` is one of a kind and stays while the instance lives: each new one is a new set of series.

    ``revision``: Cloud Run's; None elsewhere.
    """

    job: str
    location: str
    task: str
    revision: str | None


def find_instance(environ: Mapping[str, str], port: int) -> Instance:
    """This instance. Blocks: on Cloud Run it asks the metadata server, as Google's libraries do.

    Elsewhere host and ``port`` name it, and a mark of its own: a server's last points lie some seconds ahead, so that
    the series of the one that follows it there would begin before their end, which Google refuses.
    """
    job, revision = environ.get("K_SERVICE", "perkie"), environ.get("K_REVISION")
    host = environ.get("GCE_METADATA_HOST", _METADATA)
    if "K_SERVICE" in environ and (task := _metadata(host, "id")) is not None:
        region = _metadata(host, "region") or "global"
        return Instance(job, region.rpartition("/")[2], task, revision)
    return Instance(job, "global", f"{socket.gethostname()}:{port}/{os.urandom(3).hex()}", revision)


def _metadata(host: str, what: str) -> str | None:
    """https://docs.cloud.google.com/run/docs/container-contract#metadata-server"""
    address = f"http://{host}/computeMetadata/v1/instance/{what}"
    asked = urllib.request.Request(address, headers={"Metadata-Flavor": "Google"})
    try:
        with urllib.request.urlopen(asked, timeout=_WITHIN) as answer:  # noqa: S310
            return str(answer.read(1000).decode().strip()) or None
    except (URLError, OSError, ValueError):
        return None
