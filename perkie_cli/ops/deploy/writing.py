"""Writes traffic and the state of a canary in one update: both change, or neither does.

The etag is the lock. A write that meets another version looks what was changed: where it is not the traffic, it tries
again; an answer that got lost is found by the state.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from perkie_cli.domain.deploy.live import LiveService
from perkie_cli.domain.deploy.rollout import ANNOTATION, Rollout
from perkie_cli.domain.deploy.traffic import Split, described, keeping_tags, same_traffic
from perkie_cli.domain.errors import ChangesPending, InvalidParameter, Unavailable
from perkie_cli.domain.events import Audited
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import Clock, EventSink
from perkie_cli.ports.rollouts import RunServices, ServiceChange

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between attempts, the last one again and again
T = TypeVar("T")


@frozen
class Writer:
    """One service. ``patience``: seconds for a change to be accepted, and again for it to be carried out."""

    run: RunServices
    service: str
    clock: Clock
    events: EventSink
    actor: str
    patience: float
    poll: float = 1.0
    pauses: Sequence[float] = PAUSES

    async def read(self, *, patient: bool = True) -> tuple[LiveService, Rollout | None]:
        """The service and its canary, if there ever was one.

        Raises: InvalidParameter for an annotation that is none of ours; NotFound, NotAuthorised, Unavailable.
        """
        look = partial(self.run.read, self.service)
        live = await (self.patiently(look) if patient else look())
        try:
            return live, Rollout.from_text(live.annotations.get(ANNOTATION, ""))
        except ValueError as error:
            raise InvalidParameter(
                f"{self.service}: the annotation {ANNOTATION} cannot be read: {error}",
                hint="Another version of perkie wrote it; take that one, or remove the annotation.",
            ) from error

    async def write(
        self,
        before: Rollout | None,
        after: Rollout,
        template: Mapping[str, Any] | None = None,
        *,
        anyhow: bool = False,
    ) -> tuple[LiveService, Rollout]:
        """Writes ``after`` over ``before``, waits until it is carried out, and returns both as they are then.

        ``anyhow``: over whatever is there.

        Raises: ChangesPending when somebody else changed the traffic; Unavailable.
        """

        async def attempt() -> tuple[Split, Rollout]:
            live, found = await self.read()
            if found is not None and found.is_at(after):
                return live.split, found  # the answer to an earlier attempt got lost
            if not anyhow:
                self._check(before, live, found)
            wanted = replace(after, wrote=keeping_tags(after.wrote, live.split))
            annotations = {**live.annotations, ANNOTATION: wanted.to_text()}
            change = ServiceChange(self.service, live.etag, wanted.wrote, annotations, template)
            if not await self.run.change(change):
                raise Unavailable("the service was changed at the same time")
            return live.split, wanted

        was, wrote = await self.patiently(attempt)
        self.events.emit(
            Audited("deploy traffic", self.service, self.actor, wrote.step, described(was), described(wrote.wrote))
        )
        return await self.settled(wrote.wrote), wrote

    async def settled(self, wanted: Split) -> LiveService:
        """Waits until the service no longer changes, or serves what is ``wanted``.

        Raises: Unavailable.
        """
        ends = self.clock.monotonic() + self.patience
        while True:
            live, _ = await self.read()
            if live.ready is not None or same_traffic(live.serving, wanted):
                return live
            if self.clock.monotonic() > ends:
                raise Unavailable(
                    f"{self.service} still changes after {self.patience:.0f} s: {described(live.serving)}"
                )
            await self.clock.sleep(self.poll)

    async def check(self, rollout: Rollout, *, patient: bool = True) -> LiveService | None:
        """The service, if it is as we left it; None if it cannot be read and we are not ``patient``.

        Raises: ChangesPending, Unavailable.
        """
        try:
            live, found = await self.read(patient=patient)
        except Unavailable:
            if patient:
                raise
            return None
        self._check(rollout, live, found)
        return live

    def _check(self, before: Rollout | None, live: LiveService, found: Rollout | None) -> None:
        ours = (found is None or not found.active) if before is None else found is not None and found.is_at(before)
        if not ours:
            raise ChangesPending(f"another canary is in progress: {found}" if found else "the canary's state is gone")
        if before is not None and not same_traffic(live.split, before.wrote):
            raise ChangesPending(
                f"somebody else changed the traffic of {self.service}: it is {described(live.split)}, "
                f"and was {described(before.wrote)}; nothing was written"
            )

    async def patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Does it again while Cloud Run does not answer. Raises: Unavailable in the end."""
        ends, attempt = self.clock.monotonic() + self.patience, 0
        while True:
            try:
                return await work()
            except Unavailable:
                pause = self.pauses[min(attempt, len(self.pauses) - 1)]
                if self.clock.monotonic() + pause > ends:
                    raise
                attempt += 1
                await self.clock.sleep(pause)
