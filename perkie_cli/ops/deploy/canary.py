"""The canary: a new revision gets no traffic, is proven at its tag, then gets more in steps while it is watched.

Everything that it knows is on the service, so that any machine can go on or go back after any interruption.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from perkie_cli.domain.deploy.gate import Finding, Health, overall
from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.domain.deploy.rollout import Phase, Rollout
from perkie_cli.domain.deploy.traffic import (
    CANARY,
    OURS,
    STABLE,
    Share,
    Split,
    described,
    keeping_tags,
    main_revision,
    same_traffic,
    serving,
    shifted,
)
from perkie_cli.domain.errors import (
    ChangesPending,
    Interrupted,
    NotFound,
    PerkieError,
    ThresholdsFailed,
    Unavailable,
)
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.deploy.watch import Watch, Watched
from perkie_cli.ops.deploy.writing import Writer
from perkie_cli.ports.rollouts import Driver, ServiceChange

_LOOK = 5.0  # seconds that somebody who has pressed Ctrl-C waits at most
Template = Callable[[str], Mapping[str, Any]]  # of a revision's name


@frozen
class Plan:
    """What a canary would do. ``splits``: the traffic after each step."""

    live: LiveService
    revision: str
    old: Split
    splits: Sequence[Split]


class Canary:
    """The use cases over one service. ``commands``: how to type `canary` and `rollback` for it, for hints."""

    def __init__(
        self,
        writer: Writer,
        watch: Watch,
        driver: Driver,
        steps: Sequence[int],
        tell: Callable[[str], None],
        commands: tuple[str, str],
    ) -> None:
        self._writer = writer
        self._watch = watch
        self._driver = driver
        self._steps = steps
        self._tell = tell
        self._resume, self._rollback = commands
        self._seen: tuple[LiveService, Rollout] | None = None

    # ------------------------------------------------------------ use cases

    async def plan(self) -> Plan:
        """What `begin` would do now.

        Raises: ChangesPending when another canary is in progress, or uses our tags; NotFound without a service.
        """
        live, found = await self._writer.read()
        if found is not None and found.active:
            raise ChangesPending(
                f"a canary is in progress: {found}",
                hint=f"`{self._resume} --resume` goes on, `{self._rollback}` goes back.",
            )
        if taken := sorted({share.tag for share in live.split} & OURS):
            raise ChangesPending(
                f"the tag {taken[0]} is used already, and is that of a canary",
                hint=f"gcloud run services update-traffic {live.name} --remove-tags={taken[0]}",
            )
        if not serving(live.split):
            raise NotFound(f"{live.name} has no revision that serves", hint="Deploy one by its manifest first.")
        revision = f"{live.name}-{self._writer.clock.now():%y%m%d-%H%M%S}"
        splits = [shifted(live.split, revision, percent) for percent in (0, *self._steps)]
        return Plan(live, revision, live.split, [*splits, keeping_tags((Share(revision, 100),), live.split)])

    def requests(self, plan: Plan, template: Template) -> Sequence[ServiceChange]:
        """The updates of a plan, without the state that goes with them."""
        name = plan.live.name
        first = ServiceChange(name, plan.live.etag, plan.splits[0], plan.live.annotations, template(plan.revision))
        return [first, *(ServiceChange(name, "", split, plan.live.annotations) for split in plan.splits[1:])]

    async def begin(self, plan: Plan, template: Template, image: str) -> None:
        """Makes the revision, and goes all the way. Raises: see ``resume``."""
        now = self._writer.clock.now()
        rollout = Rollout(
            id=f"{now:%Y%m%dT%H%M%S.%f}",
            new=plan.revision,
            image=image,
            old=plan.old,
            wrote=plan.splits[0],
            phase=Phase.PROVING,
            percent=0,
            started=now,
            since=now,
            actor=self._writer.actor,
        )
        await self._guarded(self._making(rollout, template(plan.revision)))

    async def resume(self) -> None:
        """Goes on where the service's canary stands.

        Raises: ThresholdsFailed after it went back because the revision is unhealthy; Unavailable after it went back
        because nothing could be judged, or where it holds because the old revision suffers too; ChangesPending when
        somebody else changed the traffic; Interrupted.
        """
        live, found = await self._writer.read()
        if found is None or not found.active:
            raise ChangesPending(f"no canary of {live.name} is in progress", hint=f"`{self._resume}` begins one.")
        self._seen = live, found
        await self._guarded(self._resumed(found))

    async def rollback(self) -> Rollout:
        """Writes the traffic from before the last canary, whatever it is now. Tags of others stay.

        Raises: ChangesPending where there is nothing to go back to.
        """
        live, found = await self._writer.read()
        if found is None or found.phase is Phase.BACK:
            where = f"; the traffic is {described(live.split)}" if found is None else f" again: {found}"
            raise ChangesPending(f"{live.name}: there is nothing to go back to{where}")
        for revision in serving(found.old):
            if await self._writer.run.revision(live.name, revision) is None:
                raise NotFound(f"the revision {revision}, which had traffic before the canary, is gone")
        return await self._back(found, "by hand", anyhow=True)

    # ------------------------------------------------------------ the way

    async def _making(self, rollout: Rollout, template: Mapping[str, Any]) -> None:
        live, rollout = await self._write(None, rollout, template)
        self._tell(f"made {rollout.new} without traffic; {described(rollout.old)}")
        await self._proven(live, rollout)

    async def _resumed(self, rollout: Rollout) -> None:
        self._tell(f"goes on with {rollout}")
        await self._writer.check(rollout)
        live = await self._writer.settled(rollout.wrote)
        if rollout.phase is Phase.PROVING:
            await self._proven(live, rollout)
        else:
            await self._steps_from(live, rollout)

    async def _proven(self, live: LiveService, rollout: Rollout) -> None:
        """Tries the revision at its tag, then begins to shift."""
        if not same_traffic(live.serving, rollout.wrote):
            made = await self._writer.run.revision(live.name, rollout.new)
            why = (made.message if made else "") or live.message or f"it serves {described(live.serving)}"
            await self._refused(rollout, f"{rollout.new} does not start: {why}")
        address = live.addresses.get(CANARY)
        if address is None:
            raise Unavailable(f"Cloud Run tells no address for the tag {CANARY}")
        self._tell(f"tries {rollout.new} at {address}")
        try:
            failure = await self._driver.prove(address)
        except PerkieError as error:
            await self._back(rollout, error.message)
            raise
        if failure:
            await self._refused(rollout, f"{rollout.new} fails before it has any traffic: {failure}")
        await self._steps_from(live, rollout)

    async def _steps_from(self, live: LiveService, rollout: Rollout) -> None:
        if rollout.phase is Phase.HOLDING:
            await self._held(live, rollout)
        for percent in self._steps:
            if percent <= rollout.percent:
                continue
            split = shifted(rollout.old, rollout.new, percent)
            after = rollout.at(Phase.HOLDING, percent, split, self._writer.clock.now())
            live, rollout = await self._wrote(rollout, after)
            await self._held(live, rollout)
        done = rollout.at(Phase.DONE, 100, (Share(rollout.new, 100),), self._writer.clock.now(), rollout.report)
        await self._wrote(rollout, done)

    async def _wrote(self, before: Rollout, after: Rollout) -> tuple[LiveService, Rollout]:
        live, after = await self._write(before, after)
        self._tell(f"{after.step}: {described(live.serving)}")
        if not same_traffic(live.serving, after.wrote):
            raise Unavailable(f"the traffic is {described(live.serving)}, not {described(after.wrote)}: {live.message}")
        return live, after

    async def _held(self, live: LiveService, rollout: Rollout) -> None:
        """Holds the step until it is judged; goes back unless it is healthy, or both revisions suffer."""
        new = Watched(rollout.new, live.addresses.get(CANARY, ""))
        old = Watched(main_revision(rollout.old), live.addresses.get(STABLE, ""))

        async def unchanged() -> None:
            await self._writer.check(rollout, patient=False)

        async with self._driver.steady([new.address, old.address]):
            findings = await self._watch.until_judged(new, old, unchanged)
        health = overall(findings)
        why = "; ".join(str(each) for each in findings if each.health is health)
        if health is Health.UNHEALTHY:
            await self._refused(rollout, why)
        if health is Health.INCONCLUSIVE:
            await self._undecided(rollout, findings, why)

    async def _undecided(self, rollout: Rollout, findings: Sequence[Finding], why: str) -> None:
        if any(each.shared for each in findings):
            raise Unavailable(f"both revisions suffer, so it stays {rollout.step}: {why}")
        await self._back(rollout, f"nothing could be judged: {why}")
        raise Unavailable(f"{rollout.new} went back, because nothing could be judged: {why}")

    async def _refused(self, rollout: Rollout, why: str) -> None:
        await self._back(rollout, why)
        raise ThresholdsFailed(f"went back to {described(rollout.old)}: {why}")

    async def _back(self, rollout: Rollout, why: str, *, anyhow: bool = False) -> Rollout:
        self._tell(f"goes back: {why}")
        after = rollout.at(Phase.BACK, 0, rollout.old, self._writer.clock.now(), why)
        live, after = await self._write(rollout, after, anyhow=anyhow)
        if not same_traffic(live.serving, after.wrote):
            raise Unavailable(f"the traffic is {described(live.serving)}, not {described(after.wrote)}: {live.message}")
        self._tell(f"{after.step}: {described(live.serving)}")
        return after

    async def _write(
        self, before: Rollout | None, after: Rollout, template: Mapping[str, Any] | None = None, *, anyhow: bool = False
    ) -> tuple[LiveService, Rollout]:
        self._seen = await self._writer.write(before, after, template, anyhow=anyhow)
        return self._seen

    async def _guarded(self, way: Any) -> None:
        """Each failure says what is live now, and what to type next."""
        try:
            await way
        except asyncio.CancelledError:
            raise Interrupted("interrupted; the canary stays where it is", hint=await self._next()) from None
        except PerkieError as error:
            hints = (error.hint if error.hint != error.usual_hint else None, await self._next())
            raise type(error)(error.message, hint=" ".join(filter(None, hints))) from error

    async def _next(self) -> str:
        """What is live now, or was when it was seen last, and what to type."""
        with suppress(PerkieError, TimeoutError):
            async with asyncio.timeout(_LOOK):
                live, found = await self._writer.read(patient=False)
            if found is None:
                return f"The canary has not begun. Live: {described(live.serving)}."
            self._seen = live, found
        if self._seen is None:
            return f"Cloud Run does not say what is live. `{self._resume} --resume` goes on if the canary has begun."
        live, rollout = self._seen
        now = f"Live: {described(live.serving)}."
        if rollout.phase is Phase.BACK:
            return f"{now} {rollout.new} stays without traffic; once it is mended, `{self._resume}` begins again."
        return f"{now} `{self._resume} --resume` goes on, `{self._rollback}` goes back."
