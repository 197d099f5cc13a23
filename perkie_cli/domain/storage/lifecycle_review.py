"""Reviews lifecycle rules: which are dangerous, which never act, which cost money unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import Action, Rule
from perkie_cli.domain.storage.selection import AREAS


class Level(StrEnum):
    """An ``error`` keeps rules from being applied, a ``note`` explains."""

    ERROR = "error"
    NOTE = "note"


@frozen
class Remark:
    """``rule`` counts from 1; 0 is about the bucket or the rules as a whole. ``fix``: the command that mends it."""

    level: Level
    rule: int
    text: str
    fix: str | None = None

    def __str__(self) -> str:
        """All of it, for people."""
        where = f"rule {self.rule} " if self.rule else ""
        return f"{where}{self.text}" + (f": `{self.fix}`" if self.fix else "")


def describe(rule: Rule) -> str:
    """One line: ``Delete shared/ 30 days after last use``."""
    what = rule.action.value + (f" to {rule.storage_class}" if rule.storage_class else "")
    where = ", ".join((*rule.matches_prefix, *(f"*{suffix}" for suffix in rule.matches_suffix))) or "everything"
    return " ".join([what, where, *_when(rule)])


def _when(rule: Rule) -> Iterator[str]:
    days = {
        "creation": rule.age,
        "last use": rule.days_since_custom_time,
        "replacement": rule.days_since_noncurrent_time,
    }
    yield from (f"{count} day{'s' * (count != 1)} after {event}" for event, count in days.items() if count is not None)
    dates: Mapping[str, date | None] = {
        "created": rule.created_before,
        "last used": rule.custom_time_before,
        "replaced": rule.noncurrent_time_before,
    }
    yield from (f"if {event} before {day}" for event, day in dates.items() if day is not None)
    if rule.num_newer_versions is not None:
        yield f"once {rule.num_newer_versions} newer versions exist"
    if rule.is_live is not None:
        yield "if live" if rule.is_live else "if replaced or deleted"
    if rule.matches_storage_class:
        yield f"if {' or '.join(rule.matches_storage_class)}"


def review(rules: Sequence[Rule]) -> Iterator[Remark]:
    """Remarks on the rules alone, without looking at the bucket."""
    for number, rule in enumerate(rules, 1):
        yield from _alone(number, rule)
        for other, earlier in enumerate(rules, 1):
            if other != number and _shadows(earlier, rule) and not (_shadows(rule, earlier) and number < other):
                yield Remark(
                    Level.NOTE, number, f"never acts: rule {other} ({describe(earlier)}) takes the same objects first"
                )
                break
    yield from _immortal(rules)


def _alone(number: int, rule: Rule) -> Iterator[Remark]:
    if rule.action is not Action.DELETE or _only_old_versions(rule):
        return
    if not rule.matches_prefix:
        yield Remark(Level.ERROR, number, "deletes without a prefix: it would reach everything in the bucket")
    if "" in rule.matches_prefix:
        yield Remark(Level.ERROR, number, "an empty prefix matches every object")
    slides = rule.days_since_custom_time is not None or rule.custom_time_before is not None
    if not slides:
        yield Remark(Level.NOTE, number, "counts from creation, not from last use: pictures in use are deleted too")


def _only_old_versions(rule: Rule) -> bool:
    return (
        rule.is_live is False
        or rule.days_since_noncurrent_time is not None
        or rule.noncurrent_time_before is not None
        or bool(rule.num_newer_versions)
    )


def _immortal(rules: Sequence[Rule]) -> Iterator[Remark]:
    deletes = [rule for rule in rules if rule.action is Action.DELETE and not _only_old_versions(rule)]
    prefixes = tuple(prefix for rule in deletes for prefix in rule.matches_prefix)
    kept = [f"{area}/" for area in AREAS if not f"{area}/".startswith(prefixes)]
    if kept:
        yield Remark(Level.NOTE, 0, f"no rule deletes all old objects in {', '.join(kept)}")


def _shadows(first: Rule, rule: Rule) -> bool:
    """Whether ``first`` matches everything that ``rule`` does, no later, and its action wins.

    Delete beats a change of class, and the shorter of two Deletes wins.
    """
    if first.action is not Action.DELETE or rule.action is Action.ABORT_UPLOAD:
        return False
    return (
        _covers(first.matches_prefix, rule.matches_prefix, str.startswith)
        and _covers(first.matches_suffix, rule.matches_suffix, str.endswith)
        and _looser(first, rule)
    )


def _covers(wide: Sequence[str], narrow: Sequence[str], test: Callable[[str, str], bool]) -> bool:
    if not wide:
        return True
    return bool(narrow) and all(any(test(each, one) for one in wide) for each in narrow)


_DAYS = ("age", "days_since_custom_time", "days_since_noncurrent_time", "num_newer_versions")
_BEFORE = ("created_before", "custom_time_before", "noncurrent_time_before")


def _looser(first: Rule, rule: Rule) -> bool:
    """Every other condition of ``first`` is met whenever those of ``rule`` are."""
    for name in _DAYS:
        least, given = getattr(first, name), getattr(rule, name)
        if least is not None and (given is None or given < least):
            return False
    for name in _BEFORE:
        latest, given = getattr(first, name), getattr(rule, name)
        if latest is not None and (given is None or given > latest):
            return False
    same_life = first.is_live is None or first.is_live == rule.is_live
    classes = set(first.matches_storage_class)
    return same_life and (
        not classes or (bool(rule.matches_storage_class) and classes >= set(rule.matches_storage_class))
    )


def review_bucket(rules: Sequence[Rule], bucket: str, *, versioning: bool, soft_delete: timedelta) -> Iterator[Remark]:
    """Remarks on how the rules and the settings of ``bucket`` (``gs://…``) interact."""
    update = f"gcloud storage buckets update {bucket}"
    frees = any(rule.action is Action.DELETE and _only_old_versions(rule) for rule in rules)
    if versioning and not frees:
        yield Remark(
            Level.ERROR, 0,
            "versioning is on: a Delete only makes objects noncurrent, and they stay. Add a rule with isLive: false",
        )  # fmt: skip
    elif versioning:
        yield Remark(
            Level.NOTE, 0,
            "versioning is on, and no setting of perkie asks for it: what is deleted stays a day longer. Off, once"
            " nothing is to be brought back (`perkie cache restore --dry-run`)",
            f"{update} --no-versioning",
        )  # fmt: skip
    for number, rule in enumerate(rules, 1):
        if not versioning and rule.action is Action.DELETE and _only_old_versions(rule):
            yield Remark(Level.NOTE, number, "acts on replaced versions only, and versioning is off")
    if soft_delete:
        yield Remark(
            Level.NOTE, 0,
            f"soft delete keeps what was deleted for {soft_delete.days} days more, at full price. A cache does without",
            f"{update} --clear-soft-delete",
        )  # fmt: skip


def for_versioned(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules, plus one that deletes noncurrent versions."""
    prefixes = tuple(sorted({prefix for rule in rules for prefix in rule.matches_prefix}))
    return (*rules, Rule(Action.DELETE, matches_prefix=prefixes, is_live=False, days_since_noncurrent_time=1))
