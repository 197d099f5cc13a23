"""Brings Cloud Monitoring in line with ``slo.yaml``: read, compare, write only what differs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from enum import StrEnum

from perkie_cli.domain.errors import InvalidSetting
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.monitor.compare import differences, with_names
from perkie_cli.ops.monitor.place import ID, OWNER
from perkie_cli.ops.monitor.resources import Wanted, resolved
from perkie_cli.ports import EventSink
from perkie_cli.ports.monitoring import Found, Kind, Monitoring

_FIXED = {Kind.METRIC, Kind.SERVICE}  # never deleted: metrics hold data, a service may hold objectives of others


class Action(StrEnum):
    """What is done to a resource."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


@frozen
class Step:
    """One change; ``differences`` say what an update changes."""

    action: Action
    kind: Kind
    id: str
    wanted: Wanted | None = None
    found: Found | None = None
    differences: Sequence[str] = ()


@frozen
class Plan:
    """The changes in the order in which they are made; ``same``: how many resources are as they should be."""

    steps: Sequence[Step]
    same: int
    names: Mapping[str, str]

    @property
    def pending(self) -> bool:
        """Whether anything differs."""
        return bool(self.steps)


class Monitor:
    """The use cases of ``perkie monitor`` over one project."""

    def __init__(self, monitoring: Monitoring, events: EventSink, actor: str) -> None:
        self.monitoring = monitoring
        self._events = events
        self._actor = actor

    async def plan(self, wanted: Sequence[Wanted]) -> Plan:
        """What would change. Resources without our label are not looked at.

        Raises: InvalidSetting where a name that perkie needs is taken by somebody else's.
        """
        there = {kind: await self.monitoring.resources(kind) for kind in Kind}
        names: dict[str, str] = {}
        steps: list[Step] = []
        surplus: list[Step] = []
        same = 0
        for kind in Kind:
            ours = _ours(kind, there[kind])
            for each in (each for each in wanted if each.kind is kind):
                ranked = self._ranked(ours.pop(_key(each), []), each, names)
                kept = 0 if ranked and kind is Kind.UPTIME and self._asks_elsewhere(each, ranked[0]) else 1
                found = ranked[0] if ranked and kept else None
                surplus += [Step(Action.DELETE, kind, each.id, found=other) for other in ranked[kept:]]
                step = self._step(each, found, names, there[kind])
                if found is not None and step is None:
                    same += 1
                steps += [step] if step is not None else []
                if found is not None and (step is None or step.action is Action.UPDATE):
                    names[each.reference] = _name_for_others(found)
            if kind not in _FIXED:
                surplus += [Step(Action.DELETE, kind, key, found=one) for key, many in ours.items() for one in many]
        order = list(Kind)
        surplus.sort(key=lambda step: -order.index(step.kind))  # what names another goes before it
        return Plan([*steps, *surplus], same, names)

    async def apply(self, plan: Plan) -> AsyncIterator[Step]:
        """Makes the changes, and yields each once it is made."""
        names = dict(plan.names)
        for step in plan.steps:
            made = await self._make(step, names)
            if made is not None and step.wanted is not None:
                names[step.wanted.reference] = _name_for_others(made)
            detail = "; ".join(step.differences)
            self._events.emit(
                Audited(f"monitor.{step.action}", f"{self.monitoring.name} {step.kind} {step.id}", self._actor, detail)
            )
            yield step

    async def _make(self, step: Step, names: Mapping[str, str]) -> Found | None:
        if step.action is Action.DELETE:
            assert step.found is not None
            await self.monitoring.delete(step.found)
            return None
        assert step.wanted is not None
        body = resolved(step.wanted.body, names)
        if step.action is Action.CREATE:
            return await self.monitoring.create(step.kind, step.wanted.id, body)
        assert step.found is not None
        return await self.monitoring.update(step.found, with_names(step.found.body, body))

    def _ranked(self, found: Sequence[Found], wanted: Wanted, names: Mapping[str, str]) -> list[Found]:
        """Of several with the same id the one that fits, and the rest: a run that was killed may leave two."""
        return sorted(found, key=lambda each: len(self._differences(wanted, each, names)))

    def _asks_elsewhere(self, wanted: Wanted, found: Found) -> bool:
        """A check keeps its host for ever: for another one there is a new check."""
        return any(each.startswith("monitoredResource") for each in self._differences(wanted, found, {}))

    def _differences(self, wanted: Wanted, found: Found, names: Mapping[str, str]) -> list[str]:
        body = self.monitoring.canonical(wanted.kind, resolved(wanted.body, names))
        return differences(wanted.kind, found.body, body)

    def _step(
        self, wanted: Wanted, found: Found | None, names: Mapping[str, str], there: Sequence[Found]
    ) -> Step | None:
        if found is None:
            _refuse_taken(wanted, there)
            return Step(Action.CREATE, wanted.kind, wanted.id, wanted)
        differ = self._differences(wanted, found, names)
        if not differ:
            return None
        return Step(Action.UPDATE, wanted.kind, wanted.id, wanted, found, differ)


def _key(wanted: Wanted) -> str:
    return wanted.body["type"] if wanted.kind is Kind.METRIC else wanted.id.replace("/", "-")


def _ours(kind: Kind, found: Sequence[Found]) -> dict[str, list[Found]]:
    """By id. Metrics have no labels of ours: those below perkie's path are."""
    ours: dict[str, list[Found]] = {}
    for each in found:
        if kind is Kind.METRIC:
            ours.setdefault(str(each.body["type"]), []).append(each)
        elif all(each.labels.get(name) == value for name, value in OWNER.items()):
            ours.setdefault(each.labels.get(ID, ""), []).append(each)
    return ours


def _refuse_taken(wanted: Wanted, found: Sequence[Found]) -> None:
    """Ids of services and objectives are chosen: another's is never taken over."""
    if wanted.kind not in (Kind.SERVICE, Kind.OBJECTIVE):
        return
    taken = [each.name for each in found if _tail(each) == wanted.id]
    if taken:
        raise InvalidSetting(
            f"{taken[0]} is somebody else's: it lacks the label managed-by = perkie",
            hint="Delete it, or give it that label to hand it over.",
        )


def _tail(found: Found) -> str:
    parts = found.name.split("/")
    return f"{parts[-3]}/{parts[-1]}" if found.kind is Kind.OBJECTIVE else parts[-1]


def _name_for_others(found: Found) -> str:
    """What a policy writes: the check's id of an uptime check, else the whole name."""
    return found.name.rpartition("/")[2] if found.kind is Kind.UPTIME else found.name
