"""The hash that an upload goes by, without holding up the event loop."""

from __future__ import annotations

from perkie_cli.domain.pictures.cache_key import content_hash
from perkie_cli.ports import Workers

HASHED_INLINE = 512 * 1024  # bytes; more would hold up the event loop for a millisecond


async def upload_hash(data: bytes, workers: Workers) -> str:
    """SHA-256 in hex."""
    if len(data) <= HASHED_INLINE:
        return content_hash(data)
    return await workers.run(content_hash, data)
