"""Which stored objects a command means."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from datetime import datetime, timedelta

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.cache_key import HASH_LENGTH
from perkie_cli.domain.storage.lifecycle import Rule, expired
from perkie_cli.domain.storage.selection import Selection

SHORTEST_HASH = 8  # hex digits that are enough to identify a picture
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-]+/)*[A-Za-z0-9_-]*(?:\.[A-Za-z0-9]*)?")


@frozen
class Filter:
    """The objects that a command selects; every condition must hold. ``expired``: past its lifetime."""

    owner: Owner | None = None
    hash: str | None = None
    style: str | None = None
    prefix: str = ""
    older_than: timedelta | None = None
    larger_than: int | None = None
    expired: bool = False

    def __post_init__(self) -> None:
        """Checks the prefix and the hash. Raises: InvalidParameter."""
        if not _PREFIX.fullmatch(self.prefix):
            raise InvalidParameter(
                f"no key can begin with {self.prefix[:70]!r}", hint="Keys look like shared/ca/name.jpg."
            )
        if self.hash is None:
            return
        if not SHORTEST_HASH <= len(self.hash) <= HASH_LENGTH or set(self.hash) - set("0123456789abcdef"):
            raise InvalidParameter(
                f"{self.hash[:70]!r} is not the hash of a picture", hint="Give at least its first 8 hex digits."
            )

    @property
    def erases(self) -> bool:
        """Whether a purge erases an owner, and with it everything derived from the owner's uploads."""
        return self.owner is not None and not self.expired

    @property
    def words(self) -> str:
        """As audit records name it: ``owner=customer:42 style=ink_wash``."""
        return " ".join(f"{name}={value}" for name, value in self.given.items())

    @property
    def given(self) -> dict[str, object]:
        """The parts that were given, by name."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: value for name, value in values.items() if value}

    def selections(self, rules: Sequence[Rule], now: datetime) -> list[Selection]:
        """Disjoint selections in key order."""
        until = None if self.older_than is None else now - self.older_than
        wanted = Selection(self.prefix, self.hash, self.style, until, self.larger_than)
        parts: list[Selection] = [wanted]
        if self.owner is not None:
            parts = [part for folder in _folders(self.owner) for part in _within(wanted, Selection(folder))]
        if self.expired:
            parts = [part for due in expired(rules, now) for each in parts for part in _within(each, due)]
        return sorted(parts, key=lambda part: part.prefix)


def _folders(owner: Owner) -> tuple[str, str]:
    return f"generated/{owner.folder}/", f"originals/{owner.folder}/"


def _within(one: Selection, other: Selection) -> Iterator[Selection]:
    """The intersection of two selections by prefix and time; None if the prefixes differ."""
    longer, shorter = sorted((one.prefix, other.prefix), key=len, reverse=True)
    if longer.startswith(shorter):
        times = [time for time in (one.touched_until, other.touched_until) if time is not None]
        yield replace(one, prefix=longer, touched_until=min(times, default=None))
