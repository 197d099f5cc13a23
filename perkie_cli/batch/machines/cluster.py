"""Outputs made by a Ray cluster, with Ray's core only: actors that hold the engines, and a window of our own.

This process reads the photos, keeps the journal and writes the outputs, as in any run; an actor gets a photo and gives
its output back. So nodes need no shared disk, and the outputs are those of a run on one machine. An actor has one photo
at a time, and there are never more on their way than actors. When a node is lost, its photos go to other actors: what
it had drawn is in the cache, if that is in a bucket, and is not paid again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.machines.connection import connected
from perkie_cli.batch.machines.places import Places, Used, Wanted
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.batch.work import Maker, MakerResult
from perkie_cli.domain.errors import MissingDevice, PerkieError, Unavailable
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.units import format_duration

TRIES = 4  # nodes lost under one photo before it fails
RETRIES = 3  # prices of a picture that are set aside for one: an attempt that fails may be billed
SAME_PERKIE = "Install this perkie on every node, with the same extras and models."
CLOSING = 10.0  # seconds for the actors to close their connections
ROOM = 300.0  # seconds without any actor that has begun: others use the cluster, or its nodes do not come back


@frozen
class Node:
    """A maker on a node. ``warm_up`` loads its model and returns the device, or None without a model here."""

    maker: Maker
    warm_up: Callable[[], Awaitable[str | None]]
    close: Callable[[], Awaitable[None]]


Open = Callable[[], Node]
"""It travels to the node."""


class NodeWorker:
    """The actor. What happens on the node stays there: errors and costs are part of the answer."""

    def __init__(self, open_: Open) -> None:
        import cv2

        cv2.setNumThreads(1)  # the node's other actors use the other processors
        self._node = open_()

    async def make(
        self, photo: Photo, name: str, style: str, owner: Owner | None, allowed: Decimal
    ) -> tuple[MakerResult | PerkieError, Decimal]:
        """The output or why there is none, and what was spent. ``allowed`` in dollars."""
        purse = Budget(allowed)
        job = Job(FileSource(Path(name)), PurePath(), style, owner)
        try:
            return await self._node.maker.make(photo, job, purse), purse.spent
        except PerkieError as error:
            return error, purse.spent

    async def ready(self) -> str | None:
        """Loads the model; returns its device. Whatever is wrong with it, a photo that needs it will tell."""
        with suppress(PerkieError):
            return await self._node.warm_up()
        return None

    async def close(self) -> None:
        """Closes the connections."""
        await self._node.close()


@dataclass(slots=True)
class ClusterMaker:
    """``Maker`` that lets actors make the outputs. ``local`` plans; ``price`` in dollars of one picture.

    ``actors`` are all that were started, ``begun`` those of them that have a place.
    """

    local: Maker
    price: Decimal
    start: Callable[[], Any]
    used: Used
    warn: Callable[[str], None]
    free: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    actors: set[Any] = field(default_factory=set)
    begun: set[Any] = field(default_factory=set)
    failed: int = 0  # actors one after the other that did not begin
    why: str = ""

    def add(self) -> None:
        """Starts an actor. It is free once Ray has found a place for it: after the loss of a node there may be none."""
        actor = self.start()
        self.actors.add(actor)
        loop = asyncio.get_running_loop()

        def told(answer: Future[str | None]) -> None:  # in a thread of Ray's
            with suppress(RuntimeError):  # the run has ended
                loop.call_soon_threadsafe(self._started, actor, answer)

        actor.ready.remote().future().add_done_callback(told)

    def _started(self, actor: Any, answer: Future[str | None]) -> None:
        if actor not in self.actors:
            return
        if (error := answer.exception()) is None:
            self.failed = 0
            self._begin(actor, answer.result())
            return
        self.failed += 1
        if self.failed > TRIES:
            self.free.put_nowait(None)
            self.why = str(error).strip().rpartition("\n")[2][:300]
        else:
            self._replace(actor)

    def _begin(self, actor: Any, device: str | None) -> None:
        used = self.used
        if device == "cpu" and used.places.gpus and device not in used.devices:
            self.warn("a GPU was set aside, but the network runs on a processor: torch has no use of it on that node")
        if device is not None:
            used.devices.add(device)
        self.begun.add(actor)
        self.free.put_nowait(actor)

    def kind(self, job: Job) -> OutputKind:
        """See ``Maker``."""
        return self.local.kind(job)

    def tag(self, job: Job) -> str:
        """See ``Maker``."""
        return self.local.tag(job)

    async def is_cached(self, photo: Photo, job: Job) -> bool:
        """See ``Maker``."""
        return await self.local.is_cached(photo, job)

    async def make(self, photo: Photo, job: Job, purse: Budget) -> MakerResult:
        """See ``Maker``. Raises also: Unavailable when node after node was lost under it."""
        from ray.exceptions import RayActorError, RayTaskError

        for _ in range(TRIES):
            actor = await self._taken()
            try:
                with self._allowance(purse) as allowed:
                    asked = actor.make.remote(photo, job.source.name, job.style, job.owner, allowed)
                    answer, spent = await asked
            except RayActorError:
                self.warn(f"a node of the Ray cluster was lost under {photo.name}, which is made again")
                answer, spent = None, self.price  # a call may have been under way
                self._replace(actor)
            except RayTaskError as error:  # a bug there is one here
                self.free.put_nowait(actor)
                raise error.cause from error
            except asyncio.CancelledError:  # or out of time: nothing else ends a drawing that hangs
                self._replace(actor)
                raise
            except PerkieError:
                self.free.put_nowait(actor)
                raise
            else:
                self.free.put_nowait(actor)
            purse.pay(spent)
            if isinstance(answer, PerkieError):
                raise answer
            if isinstance(answer, MakerResult):
                return answer
        raise Unavailable(f"{TRIES} nodes were lost under {photo.name}", hint="Does it need too much memory?")

    async def _taken(self) -> Any:
        """A free actor. Raises: Unavailable when none can begin, MissingDevice when there is room for none."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(ROOM):
                    actor = await self.free.get()
                    break
            if not self.begun:
                raise MissingDevice(
                    f"no node of the Ray cluster had {self.used.places.each} to spare within {format_duration(ROOM)}",
                    hint="`ray status` tells what is in use; run it again later.",
                )
        if actor is None:
            self.free.put_nowait(None)
            raise Unavailable(f"the nodes of the Ray cluster cannot work: {self.why}", hint=SAME_PERKIE)
        return actor

    @contextmanager
    def _allowance(self, purse: Budget) -> Iterator[Decimal]:
        """What an actor may spend on one photo, set aside meanwhile. Where little is left, that is one call.

        Raises: BudgetExceeded.
        """
        several = self.price * RETRIES
        allowed = several if purse.left >= several * self.used.places.actors else self.price
        if purse.left.is_infinite():
            yield purse.left
            return
        with purse.hold(allowed):
            yield allowed

    def _replace(self, actor: Any) -> None:
        import ray

        self.actors.discard(actor)
        self.begun.discard(actor)
        with suppress(Exception):  # it is gone already
            ray.kill(actor)
        self.add()

    async def close(self) -> None:
        """Ends the actors; those that are free close their connections first."""
        import ray

        actors, self.actors = self.actors, set()
        free = [self.free.get_nowait() for _ in range(self.free.qsize())]
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING):
                asked = [actor.close.remote() for actor in free if actor in actors]
                await asyncio.gather(*asked, return_exceptions=True)
        for actor in actors:
            ray.kill(actor)


@asynccontextmanager
async def on_cluster(
    local: Maker, price: Decimal, open_: Open, wanted: Wanted, warn: Callable[[str], None]
) -> AsyncIterator[ClusterMaker]:
    """A maker over the cluster that RAY_ADDRESS names, or that runs here; ``used`` tells how many photos it takes.

    ``warn`` is told of each node that is lost, and of a GPU that the network cannot use.

    Raises: Unavailable without a cluster, MissingDevice without a GPU where one is wanted.
    """
    with connected():
        import ray

        places = Places.of(ray.cluster_resources(), wanted)
        resources = {"num_cpus": places.cpus, "num_gpus": places.gpus}
        actor = ray.remote(NodeWorker).options(max_restarts=0, **resources)
        maker = ClusterMaker(local, price, lambda: actor.remote(open_), Used(places), warn)
        for _ in range(places.actors):
            maker.add()
        try:
            yield maker
        finally:
            await maker.close()
