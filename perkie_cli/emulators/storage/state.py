"""Buckets and versions of objects, in memory, and what may be done to them."""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import google_crc32c

from perkie_cli.domain.storage.lifecycle import StoredFacts
from perkie_cli.emulators.storage.errors import ApiError, not_found
from perkie_cli.ports import Clock

Json = dict[str, Any]


@dataclass
class Version:
    """One generation of an object. ``fields``: what a client may write, as in the API's resource."""

    name: str
    generation: int
    data: bytes
    fields: Json
    created: datetime
    metageneration: int = 1
    updated: datetime | None = None
    noncurrent: datetime | None = None
    soft_deleted: datetime | None = None

    @property
    def md5(self) -> str:
        """Base64, as the API has it."""
        return base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode()

    @property
    def crc32c(self) -> str:
        """Base64 of the big-endian checksum."""
        return base64.b64encode(struct.pack(">I", google_crc32c.value(self.data))).decode()

    @property
    def custom_time(self) -> datetime | None:
        """What sliding lifetimes count from."""
        given = self.fields.get("customTime")
        return None if given is None else datetime.fromisoformat(given)

    def stored(self, newer: int) -> StoredFacts:
        """What lifecycle rules look at."""
        storage_class = self.fields.get("storageClass", "STANDARD")
        return StoredFacts(self.name, self.created, self.custom_time, storage_class, self.noncurrent, newer)


@dataclass
class Bucket:
    """``fields``: what a client may write, as in the API's resource. ``versions``: by name, oldest first."""

    name: str
    fields: Json
    created: datetime
    metageneration: int = 1
    versions: dict[str, list[Version]] = field(default_factory=dict)
    policy: Json = field(default_factory=lambda: {"kind": "storage#policy", "bindings": [], "version": 1})

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


class State:
    """Everything the emulator keeps. Nothing awaits between check and change: that makes preconditions race-free."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.buckets: dict[str, Bucket] = {}
        self._generation = 0

    def bucket(self, name: str) -> Bucket:
        """Raises: ApiError 404."""
        try:
            return self.buckets[name]
        except KeyError:
            raise not_found(name) from None

    def existing(self, bucket: str, name: str, generation: str | None = None) -> Version:
        """Raises: ApiError 404."""
        version = self.bucket(bucket).version(name, generation)
        if version is None:
            raise not_found(bucket, name)
        return version

    def write(self, bucket: Bucket, name: str, data: bytes, fields: Json) -> Version:
        """Makes a new live version; the old one is archived or gone."""
        now = self.clock.now()
        self._generation = max(self._generation + 1, int(now.timestamp() * 1_000_000))
        version = Version(name, self._generation, data, fields, created=now)
        self._retire(bucket, bucket.live(name))
        bucket.versions.setdefault(name, []).append(version)
        return version

    def delete(self, bucket: Bucket, version: Version, *, named: bool) -> None:
        """Deletes as a client does: a ``named`` generation is gone, the live one may become noncurrent."""
        if named:
            self.erase(bucket, version)
        else:
            self._retire(bucket, version)

    def erase(self, bucket: Bucket, version: Version) -> None:
        """Deletes one version for good, or softly where the bucket's policy says so."""
        if bucket.soft_retention:
            version.soft_deleted = self.clock.now()
            return
        bucket.versions[version.name].remove(version)
        if not bucket.versions[version.name]:
            del bucket.versions[version.name]

    def _retire(self, bucket: Bucket, version: Version | None) -> None:
        if version is None:
            return
        if bucket.versioned:
            version.noncurrent = self.clock.now()
        else:
            self.erase(bucket, version)

    def all_versions(self, bucket: Bucket) -> Iterator[tuple[Version, int]]:
        """Every version that is not soft-deleted, with how many newer ones there are."""
        for versions in list(bucket.versions.values()):
            kept = [version for version in versions if version.soft_deleted is None]
            for index, version in enumerate(kept):
                yield version, len(kept) - 1 - index


def check_preconditions(query: Mapping[str, str], target: Version | Bucket | None, *, source: bool = False) -> None:
    """``ifGenerationMatch`` and its three siblings; an absent object has generation 0.

    Raises: ApiError 412; 304 is for the caller to make of it when reading.
    """
    prefix = "ifSource" if source else "if"
    actual = {
        "Generation": getattr(target, "generation", 0),
        "Metageneration": target.metageneration if target is not None else 0,
    }
    for kind, value in actual.items():
        wanted, unwanted = query.get(f"{prefix}{kind}Match"), query.get(f"{prefix}{kind}NotMatch")
        if wanted is not None and int(wanted) != value:
            raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
        if unwanted is not None and int(unwanted) == value:
            raise ApiError(412, "At least one of the pre-conditions you specified did not hold.")
