"""Outputs as objects of a bucket: ``--out-dir gs://bucket/prefix/``.

What each was made from is in its metadata, so that any machine knows what is done. The bucket is listed once; from then
on a write replaces exactly what was seen, or fails: no other lock is needed between machines. An object is there as a
whole or not at all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from urllib.parse import quote_from_bytes, unquote_to_bytes

from perkie_cli.batch.mark import OutputKind, kind_in
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.batch.outputs.record import Origin, OutputState
from perkie_cli.batch.photos.sources import Source
from perkie_cli.domain.errors import OutputExists
from perkie_cli.domain.frozen import frozen
from perkie_cli.imaging.sniff import HEAD, sniff
from perkie_cli.ports import Buckets, RemoteObject

MADE, KIND = "perkie-made", "perkie-kind"  # fields of the metadata


@frozen
class Facts:
    """What an output was made from. ``options``: a digest of their tag."""

    input: bytes  # Source.key
    version: str
    sha256: str
    options: str
    final: bool

    @classmethod
    def of(cls, origin: Origin, *, final: bool) -> Facts:
        """Those of an output made from ``origin``."""
        source = origin.source
        as_read = origin.version if source.version() == origin.version else ""
        return cls(source.key, as_read, origin.sha256, digest(origin.options), final)

    @classmethod
    def parse(cls, text: str) -> Facts | None:
        """The inverse of ``str``; None for anything else."""
        parts = text.split(" ", 4)
        if len(parts) != 5:
            return None
        sha256, options, final, input_, version = parts
        return cls(unquote_to_bytes(input_), version, sha256, options, final == "1")

    def __str__(self) -> str:
        return f"{self.sha256} {self.options} {self.final:d} {quote_from_bytes(self.input)} {self.version}"


def digest(options: str) -> str:
    """A short form of the tag of the options: metadata has at most 8 KiB."""
    return hashlib.sha256(options.encode()).hexdigest()[:32]


def kind_of(found: RemoteObject) -> OutputKind | None:
    """The kind of output that an object is; None if perkie did not make it."""
    word = found.metadata.get(KIND)
    return OutputKind(word) if word in tuple(OutputKind) else None


@frozen
class _Known:
    """One object. ``made``: its ``Facts`` as text, which takes less memory; None if it is not ours."""

    generation: int
    updated: float
    made: str | None
    ours: bool

    @classmethod
    def of(cls, found: RemoteObject) -> _Known:
        made = found.metadata.get(MADE)
        return cls(found.generation, found.updated.timestamp(), made, KIND in found.metadata)

    @property
    def facts(self) -> Facts | None:
        return None if self.made is None else Facts.parse(self.made)


class Objects:
    """Outputs below ``place``. Call ``look`` first."""

    def __init__(self, place: ObjectPath, buckets: Buckets) -> None:
        self._place = place
        self._buckets = buckets
        self._known: dict[str, _Known] = {}

    async def look(self) -> None:
        """Lists what is there. Raises: the errors of ``ports.Buckets``."""
        listed = await self._buckets.list(self._place.bucket, self._place.object)
        self._known = {each.name: _Known.of(each) for each in listed}

    def origins(self, targets: Sequence[PurePath]) -> Mapping[PurePath, bytes]:
        """By their metadata."""
        facts = {each: self._facts(each) for each in targets}
        return {each: found.input for each, found in facts.items() if found is not None}

    async def fresh(self, targets: Sequence[PurePath], sources: Sequence[Source], options: Sequence[str]) -> list[bool]:
        """By their metadata."""
        tags = {each: digest(each) for each in set(options)}
        return [
            _is_fresh(self._facts(target), source, tags[tag])
            for target, source, tag in zip(targets, sources, options, strict=True)
        ]

    async def modified(self, targets: Sequence[PurePath]) -> list[float | None]:
        """As listed, or written since."""
        found = [self._known.get(_name(each)) for each in targets]
        return [None if each is None else each.updated for each in found]

    async def check(self, target: PurePath, origin: Origin, *, force: bool) -> OutputState:
        """By its metadata. The same content with the same options is fresh, wherever it was read from."""
        found = self._state(target, origin)
        if found is OutputState.FOREIGN and not force:
            raise OutputExists(
                f"{target} exists and was not made by perkie from {origin.source.path.name}",
                hint="--force replaces it, --skip-existing keeps it; --out-dir names another place.",
            )
        return OutputState.STALE if force else found

    def _state(self, target: PurePath, origin: Origin) -> OutputState:
        if _name(target) not in self._known:
            return OutputState.ABSENT
        facts = self._facts(target)
        if facts is None:
            return OutputState.FOREIGN
        if facts.final and facts.sha256 == origin.sha256 and facts.options == digest(origin.options):
            return OutputState.FRESH
        return OutputState.STALE if facts.input == origin.source.key else OutputState.FOREIGN

    async def write(
        self, target: PurePath, origin: Origin, data: bytes, *, final: bool, new: bool = False
    ) -> list[str]:
        """Uploads it. Another machine that was faster with the same output has done our work."""
        del new  # the generation that is known says it
        kind = kind_in(data)
        assert kind is not None, "outputs are marked"
        facts = Facts.of(origin, final=final)
        if not await self._put(target, data, {MADE: str(facts), KIND: kind}):
            await self._look_at(target)
            if self._state(target, origin) is not OutputState.FRESH:
                raise OutputExists(f"{target} was written by somebody else meanwhile", hint="Run it again.")
        return []

    async def read(self, target: PurePath) -> bytes | None:
        """Downloads it."""
        path = _address(target)
        found = await self._buckets.find(path.bucket, path.object)
        return None if found is None else await self._buckets.read(found)

    async def write_sheet(self, target: PurePath, data: bytes) -> None:
        """Uploads it, over an earlier one of ours."""
        known = self._known.get(_name(target))
        if (known is not None and not known.ours) or not await self._put(target, data, {KIND: OutputKind.PICTURE}):
            raise OutputExists(f"{target} exists and was not made by perkie", hint="Use another --out-dir.")

    async def _put(self, target: PurePath, data: bytes, metadata: Mapping[str, str]) -> bool:
        """Whether it was written; not if the object is another one than we know."""
        path, known = _address(target), self._known.get(_name(target))
        written = await self._buckets.write(
            path.bucket,
            path.object,
            data,
            content_type=sniff(data[:HEAD], path.name).media_type,
            metadata=metadata,
            generation=0 if known is None else known.generation,
        )
        if written is not None:
            self._known[path.object] = _Known.of(written)
        return written is not None

    async def _look_at(self, target: PurePath) -> None:
        path = _address(target)
        found = await self._buckets.find(path.bucket, path.object)
        if found is not None:
            self._known[path.object] = _Known.of(found)

    def _facts(self, target: PurePath) -> Facts | None:
        known = self._known.get(_name(target))
        return None if known is None else known.facts


def _is_fresh(facts: Facts | None, source: Source, options: str) -> bool:
    if facts is None or not facts.final or facts.options != options or facts.input != source.key:
        return False
    return facts.version == source.version() != ""


def _address(target: PurePath) -> ObjectPath:
    assert isinstance(target, ObjectPath), "targets of a run in a bucket are addresses"
    return target


def _name(target: PurePath) -> str:
    return _address(target).object
