"""Buckets, versions of objects and managed folders, as the emulator keeps them."""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import google_crc32c

from perkie_cli.domain.storage.lifecycle import StoredFacts

Json = dict[str, Any]


@dataclass
class Version:
    """One generation of an object. ``fields``: what a client may write, as in the API's resource.

    ``components``: of how many uploads it was composed. ``released``: when its event-based hold ended.
    """

    name: str
    generation: int
    data: bytes
    fields: Json
    created: datetime
    metageneration: int = 1
    updated: datetime | None = None
    noncurrent: datetime | None = None
    soft_deleted: datetime | None = None
    components: int | None = None
    released: datetime | None = None

    @property
    def md5(self) -> str | None:
        """Base64, as the API has it; a composed object has none."""
        if self.components is not None:
            return None
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()

    @property
    def crc32c(self) -> str:
        """Base64 of the big-endian checksum."""
        return base64.b64encode(struct.pack(">I", google_crc32c.value(self.data))).decode()

    @property
    def hashes(self) -> str:
        """As the ``X-Goog-Hash`` header has them."""
        return f"crc32c={self.crc32c}" + (f",md5={self.md5}" if self.md5 is not None else "")

    @property
    def custom_time(self) -> datetime | None:
        """The custom time, from which sliding lifetimes count."""
        given = self.fields.get("customTime")
        return None if given is None else datetime.fromisoformat(given)

    def stored(self, newer: int) -> StoredFacts:
        """The facts that lifecycle rules check."""
        storage_class = self.fields.get("storageClass", "STANDARD")
        return StoredFacts(self.name, self.created, self.custom_time, storage_class, self.noncurrent, newer)


def new_policy() -> Json:
    """An IAM policy that grants nothing."""
    return {"kind": "storage#policy", "bindings": [], "version": 1}


@dataclass
class ManagedFolder:
    """A prefix with an IAM policy of its own; the name ends with a slash."""

    name: str
    created: datetime
    metageneration: int = 1
    policy: Json = field(default_factory=new_policy)


@dataclass
class Bucket:
    """``fields``: what a client may write, as in the API's resource. ``versions``: by name, oldest first."""

    name: str
    fields: Json
    created: datetime
    metageneration: int = 1
    versions: dict[str, list[Version]] = field(default_factory=dict)
    policy: Json = field(default_factory=new_policy)
    folders: dict[str, ManagedFolder] = field(default_factory=dict)

    def live(self, name: str) -> Version | None:
        """The current version."""
        return next((v for v in self.versions.get(name, ()) if v.noncurrent is None and v.soft_deleted is None), None)

    def version(self, name: str, generation: str | None) -> Version | None:
        """The version of that generation, live or noncurrent; the live one when none is named."""
        if generation is None:
            return self.live(name)
        known = (v for v in self.versions.get(name, ()) if v.soft_deleted is None)
        return next((v for v in known if v.generation == int(generation)), None)

    @property
    def versioned(self) -> bool:
        """Whether deleting and overwriting keep the old version."""
        return bool(self.fields.get("versioning", {}).get("enabled"))

    @property
    def soft_retention(self) -> timedelta:
        """How long deleted versions can be restored, and cost."""
        return timedelta(seconds=int(self.fields.get("softDeletePolicy", {}).get("retentionDurationSeconds", 0)))
