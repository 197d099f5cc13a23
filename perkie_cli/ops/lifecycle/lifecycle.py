"""Brings a bucket's lifecycle rules in line with ours: read, compare, count what would be deleted, then write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from perkie_cli.domain.errors import ChangesPending, InvalidParameter
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.storage.lifecycle import Action, Rule
from perkie_cli.domain.storage.lifecycle_json import RuleError, rule_to, rules_from
from perkie_cli.domain.storage.lifecycle_review import Level, Remark, describe, for_versioned, review, review_bucket
from perkie_cli.domain.storage.protection import Protection
from perkie_cli.domain.storage.selection import StoredTotal, area_of
from perkie_cli.ports import BucketRules, BucketState, Clock, EventSink

Json = Mapping[str, Any]


@frozen
class Change:
    """The difference between a bucket's rules and the target rules. ``remarks`` are about the target rules."""

    target: Sequence[Rule]
    state: BucketState
    added: Sequence[Json]
    removed: Sequence[Json]
    remarks: Sequence[Remark]

    @property
    def pending(self) -> bool:
        """Whether the bucket differs."""
        return bool(self.added or self.removed)


class Lifecycle:
    """The use cases of ``perkie lifecycle`` over one bucket."""

    def __init__(self, bucket: BucketRules, clock: Clock, events: EventSink, protection: Protection) -> None:
        self._bucket = bucket
        self._clock = clock
        self._events = events
        self._protection = protection

    @property
    def bucket(self) -> str:
        """``gs://name``."""
        return self._bucket.name

    async def current(self) -> Sequence[Json]:
        """The bucket's current rules."""
        return (await self._bucket.read()).rules

    async def readers(self) -> Mapping[str, Sequence[str]]:
        """The members of the bucket's IAM policy, each with its roles."""
        return await self._bucket.readers()

    async def compare(self, target: Sequence[Rule], *, given: bool) -> Change:
        """What would change. Our own rules (none ``given`` by a file) are adapted to a versioned bucket."""
        state = await self._bucket.read()
        if state.versioning and not given:
            target = for_versioned(target)
        ours = {_canonical(rule_to(rule)): rule_to(rule) for rule in target}
        theirs = {_canonical(rule): rule for rule in state.rules}
        remarks = [
            *review(target),
            *review_bucket(target, self.bucket, versioning=state.versioning, soft_delete=state.soft_delete),
        ]
        added = [ours[key] for key in ours if key not in theirs]
        removed = [theirs[key] for key in theirs if key not in ours]
        return Change(target, state, added, removed, remarks)

    async def about_to_go(self, change: Change) -> Mapping[str, StoredTotal]:
        """Totals of what the rules that are in the bucket delete within a day, unless they are replaced.

        Rules with fields that perkie does not know are left out.
        """
        known: list[Rule] = []
        for rule in change.state.rules:
            with suppress(RuleError):
                known += rules_from({"rule": [rule]})
        return await self.would_delete(known, within=timedelta(days=1))

    async def would_delete(self, rules: Sequence[Rule], within: timedelta = timedelta()) -> Mapping[str, StoredTotal]:
        """Totals of what the rules would delete today, or ``within`` some time, by area."""
        now, deletes = self._clock.now() + within, [rule for rule in rules if rule.action is Action.DELETE]
        totals: dict[str, StoredTotal] = {}
        async for facts, size in self._bucket.versions():
            if any(rule.matches(facts, now) for rule in deletes):
                area = area_of(facts.key)
                totals[area] = totals.get(area, StoredTotal()) + StoredTotal(1, size, facts.touched or facts.created)
        return dict(sorted(totals.items()))

    async def apply(self, change: Change, acknowledged: str | None = None) -> None:
        """Writes the target rules. Without a difference nothing is written.

        Raises: ProtectedBucket, InvalidParameter for dangerous rules, ChangesPending if somebody else changed them.
        """
        self._protection.permit(self._bucket.name, acknowledged)
        refuse_errors(change.remarks)
        if not change.pending:
            return
        rules = [rule_to(rule) for rule in change.target]
        if not await self._bucket.write(rules, change.state.metageneration):
            raise ChangesPending(
                f"{self._bucket.name} was changed by someone else in the meantime; nothing was written",
                hint="Check `perkie lifecycle diff` again.",
            )
        detail = f"+{len(change.added)} -{len(change.removed)} rules"
        before, after = json.dumps(list(change.state.rules)), json.dumps(rules)
        self._events.emit(Audited("lifecycle apply", self._bucket.name, self._protection.actor, detail, before, after))


def refuse_errors(remarks: Sequence[Remark]) -> None:
    """Refuses rules with errors. Raises: InvalidParameter, naming the first one."""
    for remark in remarks:
        if remark.level is Level.ERROR:
            where = f"rule {remark.rule} " if remark.rule else ""
            raise InvalidParameter(f"{where}{remark.text}", hint="Nothing was changed.")


def describe_json(rule: Json) -> str:
    """One line, or the JSON itself if perkie does not know the rule's fields."""
    try:
        return describe(rules_from({"rule": [rule]})[0])
    except RuleError:
        return json.dumps(rule, sort_keys=True)


def _canonical(rule: Json) -> str:
    """A form that is equal for rules that differ only in the order of keys or lists."""
    condition = {k: sorted(v) if isinstance(v, list) else v for k, v in rule.get("condition", {}).items()}
    return json.dumps({**rule, "condition": condition}, sort_keys=True)
