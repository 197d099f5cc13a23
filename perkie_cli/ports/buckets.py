"""Buckets as a place to read photos from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class RemoteObject:
    """An object of a bucket. Its name is any text; ``generation`` changes with every write."""

    bucket: str
    name: str
    size: int  # bytes
    content_type: str
    generation: int
    updated: datetime

    @property
    def uri(self) -> str:
        """``gs://bucket/name``."""
        return f"gs://{self.bucket}/{self.name}"


class Buckets(Protocol):
    """Reads any bucket.

    Every method raises StoreUnavailable when it does not answer, NotAuthorised, and InvalidSetting for a bucket that
    is absent.
    """

    async def list(self, bucket: str, prefix: str) -> Sequence[RemoteObject]:
        """Every object whose name begins so, in order of the names."""

    async def read(self, found: RemoteObject) -> bytes | None:
        """The object's bytes as they were when it was listed; None when it has been replaced or deleted since."""
