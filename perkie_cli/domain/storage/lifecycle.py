"""Lifetime rules as Cloud Storage has them: https://docs.cloud.google.com/storage/docs/lifecycle

The conditions of a rule are ANDed, rules are ORed. Days are whole and counted from the instant of creation, of custom
time (``touched``), or of becoming noncurrent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.selection import Selection

DAY = timedelta(days=1)


class Action(StrEnum):
    """What a rule does."""

    DELETE = "Delete"
    SET_STORAGE_CLASS = "SetStorageClass"
    ABORT_UPLOAD = "AbortIncompleteMultipartUpload"


@frozen
class StoredFacts:
    """The facts that conditions check. ``noncurrent``: when the version was replaced or deleted; None: it is live."""

    key: str
    created: datetime | None
    touched: datetime | None
    storage_class: str = "STANDARD"
    noncurrent: datetime | None = None
    newer_versions: int = 0


@frozen
class Rule:
    """One rule. Fields are named as in the API (snake case); None or empty is no condition."""

    action: Action
    storage_class: str | None = None
    matches_prefix: tuple[str, ...] = ()
    matches_suffix: tuple[str, ...] = ()
    age: int | None = None
    days_since_custom_time: int | None = None
    days_since_noncurrent_time: int | None = None
    created_before: date | None = None
    custom_time_before: date | None = None
    noncurrent_time_before: date | None = None
    num_newer_versions: int | None = None
    is_live: bool | None = None
    matches_storage_class: tuple[str, ...] = ()

    def matches(self, stored: StoredFacts, now: datetime) -> bool:
        """Whether every condition holds at ``now``."""
        return (
            (not self.matches_prefix or stored.key.startswith(self.matches_prefix))
            and (not self.matches_suffix or stored.key.endswith(self.matches_suffix))
            and (not self.matches_storage_class or stored.storage_class in self.matches_storage_class)
            and (self.is_live is None or self.is_live == (stored.noncurrent is None))
            and (self.num_newer_versions is None or stored.newer_versions >= self.num_newer_versions)
            and _passed(stored.created, self.age, self.created_before, now)
            and _passed(stored.touched, self.days_since_custom_time, self.custom_time_before, now)
            and _passed(stored.noncurrent, self.days_since_noncurrent_time, self.noncurrent_time_before, now)
        )


def _passed(since: datetime | None, days: int | None, before: date | None, now: datetime) -> bool:
    """Whether ``since`` is ``days`` ago and before ``before``; an object without that time never matches."""
    if days is None and before is None:
        return True
    if since is None:
        return False
    return (days is None or since + days * DAY <= now) and (before is None or since.date() < before)


def whole_days(lifetime: timedelta) -> int:
    """Rounded up to whole days, at least one: an object never lives shorter than configured."""
    return max(1, math.ceil(lifetime / DAY))


def rules_for(lifetimes: Mapping[str, timedelta]) -> tuple[Rule, ...]:
    """Sliding lifetimes by area (``domain.selection.AREAS``) as rules, the shortest first."""
    by_days: dict[int, list[str]] = {}
    for area, lifetime in lifetimes.items():
        by_days.setdefault(whole_days(lifetime), []).append(f"{area}/")
    return tuple(
        Rule(Action.DELETE, matches_prefix=tuple(sorted(by_days[days])), days_since_custom_time=days)
        for days in sorted(by_days)
    )


def expired(rules: Sequence[Rule], now: datetime) -> Iterator[Selection]:
    """Whether the rules made by ``rules_for`` delete an object at ``now``."""
    for rule in rules:
        for prefix in rule.matches_prefix:
            yield Selection(prefix, touched_until=now - (rule.days_since_custom_time or 0) * DAY)
