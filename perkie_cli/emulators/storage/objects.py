"""Objects: read, write, change, delete, copy, compose, restore."""

from __future__ import annotations

import re
from collections.abc import Mapping

from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.records import Json, Version
from perkie_cli.emulators.storage.resources import OBJECT_FIELDS, patched, settle_custom_time, writable
from perkie_cli.emulators.storage.state import State, check_preconditions

Query = Mapping[str, str]
HOLDS = ("eventBasedHold", "temporaryHold")  # a copy is not held
MOST_SOURCES = 32


class Objects:
    """Each call checks its preconditions and acts atomically: create-only writes cannot race."""

    def __init__(self, state: State) -> None:
        self._state = state

    def check_bucket(self, bucket: str) -> None:
        """Checks that the bucket exists. Raises: ApiError 404."""
        self._state.bucket(bucket)

    def read(self, bucket: str, name: str, query: Query) -> Version:
        """The version to read. Raises: ApiError 404, 412, 304."""
        version = self._state.existing(bucket, name, query.get("generation"))
        reading = {key: value for key, value in query.items() if key.endswith("NotMatch")}
        try:
            check_preconditions(reading, version)
        except ApiError as error:
            raise ApiError(304, "Not Modified") from error
        check_preconditions({key: value for key, value in query.items() if key not in reading}, version)
        return version

    def insert(self, bucket: str, name: str, data: bytes, given: Json, query: Query) -> Version:
        """Stores a new version. Raises: ApiError 404, 412, 400 for a checksum that does not match."""
        if not name:
            raise ApiError(400, "Required")
        home = self._state.bucket(bucket)
        check_preconditions(query, home.live(name))
        fields = writable(given, OBJECT_FIELDS)
        fields.setdefault("contentType", "application/octet-stream")
        settle_custom_time(None, fields)
        _check_sums(Version(name, 0, data, {}, self._state.clock.now()), given)
        return self._state.write(home, name, data, fields)

    def change(self, bucket: str, name: str, change: Json, query: Query, *, whole: bool) -> Version:
        """PATCH, or PUT when ``whole``. Raises: ApiError 404, 412, 400."""
        version = self._state.existing(bucket, name, query.get("generation"))
        check_preconditions(query, version)
        fields = writable(change, OBJECT_FIELDS) if whole else patched(version.fields, change, OBJECT_FIELDS)
        settle_custom_time(version.custom_time, fields)
        if version.fields.get("eventBasedHold") and not fields.get("eventBasedHold"):
            version.released = self._state.clock.now()  # the retention period begins anew
        version.fields = fields
        version.metageneration += 1
        version.updated = self._state.clock.now()
        return version

    def delete(self, bucket: str, name: str, query: Query) -> None:
        """Deletes a version. Raises: ApiError 403, 404, 412."""
        generation = query.get("generation")
        version = self._state.existing(bucket, name, generation)
        check_preconditions(query, version)
        self._state.delete(self._state.bucket(bucket), version, named=generation is not None)

    def copy(self, source: tuple[str, str], target: tuple[str, str], given: Json, query: Query) -> Version:
        """Server-side; without fields in the request the source's are kept. Raises: ApiError 404, 412."""
        origin = self._state.existing(*source, query.get("sourceGeneration"))
        home = self._state.bucket(target[0])
        check_preconditions(query, origin, source=True)
        check_preconditions(query, home.live(target[1]))
        fields = writable(given, OBJECT_FIELDS)
        kept = {key: value for key, value in origin.fields.items() if key not in HOLDS}
        fields = {"contentType": origin.fields["contentType"], **fields} if fields else kept
        settle_custom_time(None, fields)
        return self._state.write(home, target[1], origin.data, fields, origin.components)

    def compose(self, bucket: str, name: str, request: Json, query: Query) -> Version:
        """Joins objects of one bucket; hashes in ``destination``, which clients copy from a source, count for nothing.

        Raises: ApiError 400, 404, 412.
        """
        sources = request.get("sourceObjects") or []
        if not 1 <= len(sources) <= MOST_SOURCES:
            raise ApiError(
                400, f"The number of source components provided ({len(sources)}) must be 1 to {MOST_SOURCES}."
            )
        parts = [self._source(bucket, each) for each in sources]
        home = self._state.bucket(bucket)
        check_preconditions(query, home.live(name))
        fields = writable(request.get("destination") or {}, OBJECT_FIELDS)
        fields.setdefault("contentType", "application/octet-stream")
        settle_custom_time(None, fields)
        components = sum(part.components or 1 for part in parts)
        made = self._state.write(home, name, b"".join(part.data for part in parts), fields, components)
        if query.get("deleteSourceObjects", "").lower() == "true":
            for part in {id(part): part for part in parts if part.name != name}.values():
                self._state.delete(home, part, named=False)
        return made

    def _source(self, bucket: str, source: Json) -> Version:
        version = self._state.existing(bucket, source["name"], source.get("generation"))
        conditions = {key: str(value) for key, value in (source.get("objectPreconditions") or {}).items()}
        check_preconditions(conditions, version)
        return version

    def restore(self, bucket: str, name: str, query: Query) -> Version:
        """Makes a soft-deleted generation live again. Raises: ApiError 404, 412."""
        home = self._state.bucket(bucket)
        wanted = int(query.get("generation", 0))
        kept = [v for v in home.versions.get(name, ()) if v.soft_deleted and v.generation == wanted]
        if not kept:
            raise ApiError(404, f"No such soft-deleted object: {bucket}/{name}#{wanted}")
        check_preconditions(query, home.live(name))
        return self._state.write(home, name, kept[0].data, dict(kept[0].fields))


def _check_sums(version: Version, given: Json) -> None:
    for name, actual in (("md5Hash", version.md5), ("crc32c", version.crc32c)):
        if given.get(name, actual) != actual:
            raise ApiError(400, f"Provided {name} {given[name]!r} doesn't match calculated {name} {actual!r}.")


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First and last byte of a ``Range`` header, or None for the whole, as for one that is not valid (RFC 9110).

    Raises: ApiError 416.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if match is None or match[0] == "bytes=-" or (match[1] and match[2] and int(match[1]) > int(match[2])):
        return None
    first = int(match[1]) if match[1] else max(0, size - int(match[2]))
    last = min(int(match[2]), size - 1) if match[1] and match[2] else size - 1
    if first > last:
        raise ApiError(416, "The requested range cannot be satisfied.", Content_Range=f"bytes */{size}")
    return first, last
