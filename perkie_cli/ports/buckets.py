"""Buckets as a place to read photos from, and to write outputs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from typing import Protocol

from perkie_cli.domain.frozen import frozen


@frozen
class RemoteObject:
    """An object of a bucket. Its name is any text; ``generation`` changes with every write."""

    bucket: str
    name: str
    size: int  # bytes
    content_type: str
    generation: int
    updated: datetime
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def uri(self) -> str:
        """``gs://bucket/name``."""
        return f"gs://{self.bucket}/{self.name}"


class Buckets(Protocol):
    """Reads and writes any bucket.

    Every method raises StoreUnavailable when it does not answer, NotAuthorised, and InvalidSetting for a bucket that
    is absent.
    """

    async def list(self, bucket: str, prefix: str) -> Sequence[RemoteObject]:
        """Every object whose name begins so, in order of the names."""

    async def read(self, found: RemoteObject) -> bytes | None:
        """The object's bytes as they were when it was listed; None when it has been replaced or deleted since."""

    async def find(self, bucket: str, name: str) -> RemoteObject | None:
        """That object; None if there is none."""

    async def write(
        self, bucket: str, name: str, data: bytes, *, content_type: str, metadata: Mapping[str, str], generation: int
    ) -> RemoteObject | None:
        """Writes an object in place of that ``generation`` (0: there is none yet); None if it is another one by now."""
