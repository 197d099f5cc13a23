"""All buckets with their objects, in memory, and the operations on them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from perkie_cli.emulators.storage.errors import ApiError, not_found
from perkie_cli.emulators.storage.records import Bucket, Json, Version
from perkie_cli.emulators.storage.retention import check_removable
from perkie_cli.ports import Clock


class State:
    """The emulator's state. There is no ``await`` between check and change, so preconditions cannot race."""

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

    def write(self, bucket: Bucket, name: str, data: bytes, fields: Json, components: int | None = None) -> Version:
        """Makes a new live version; the old one is archived or deleted.

        Raises: ApiError 403 when the old one is held or retained.
        """
        now = self.clock.now()
        self._retire(bucket, bucket.live(name))
        self._generation = max(self._generation + 1, int(now.timestamp() * 1_000_000))
        if bucket.fields.get("defaultEventBasedHold"):
            fields.setdefault("eventBasedHold", True)
        version = Version(name, self._generation, data, fields, created=now, components=components)
        bucket.versions.setdefault(name, []).append(version)
        return version

    def delete(self, bucket: Bucket, version: Version, *, named: bool) -> None:
        """Deletes for a client: a ``named`` generation is removed, the live one may become noncurrent.

        Raises: ApiError 403 when it is held or retained.
        """
        if named:
            self._erase(bucket, version)
        else:
            self._retire(bucket, version)

    def _erase(self, bucket: Bucket, version: Version) -> None:
        """Deletes permanently, or softly if the bucket's policy says so."""
        check_removable(bucket, version, self.clock.now())
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
            check_removable(bucket, version, self.clock.now())
            version.noncurrent = self.clock.now()
        else:
            self._erase(bucket, version)

    def all_versions(self, bucket: Bucket) -> Iterator[tuple[Version, int]]:
        """Every version that is not soft-deleted, with how many newer ones there are."""
        for versions in list(bucket.versions.values()):
            kept = [version for version in versions if version.soft_deleted is None]
            for index, version in enumerate(kept):
                yield version, len(kept) - 1 - index


def check_preconditions(query: Mapping[str, str], target: Version | Bucket | None, *, source: bool = False) -> None:
    """Checks ``ifGenerationMatch`` and its three siblings; a missing object has generation 0.

    Raises: ApiError 412; readers turn it into 304.
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
