"""Outputs made by a Ray cluster, with Ray's core only: actors that hold the engines, and a window of our own.

This process reads the photos, keeps the journal and writes the outputs, as in any run; an actor gets a photo and gives
its output back. So nodes need no shared disk, and the outputs are those of a run on one machine. An actor has one photo
at a time, and there are never more on their way than actors. When a node is lost, its photos go to other actors: what
it had drawn is in the cache, if that is in a bucket, and is not paid again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, TextIO, cast

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.photos.sources import FileSource
from perkie_cli.batch.work import Maker, MakerResult
from perkie_cli.domain.errors import PerkieError, Unavailable
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo

TRIES = 4  # nodes lost under one photo before it fails
RETRIES = 3  # prices of a picture that are set aside for one: an attempt that fails may be billed
SAME_PERKIE = "Install this perkie on every node, with the same extras and models."
ANSWERS = 10.0  # seconds for a cluster's address to answer
CLOSING = 10.0  # seconds for the actors to close their connections

Open = Callable[[], tuple[Maker, Callable[[], Awaitable[None]]]]
"""Makes the maker of a node, and a function that closes it. It travels to the node."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the cluster is used: at most ``actors`` (None: one a processor, or a GPU with ``gpu``)."""

    actors: int | None
    gpu: bool


class NodeWorker:
    """The actor. What happens on the node stays there: errors and costs are part of the answer."""

    def __init__(self, open_: Open) -> None:
        import cv2

        cv2.setNumThreads(1)  # the node's other actors use the other processors
        self._maker, self._close = open_()

    async def make(
        self, photo: Photo, name: str, style: str, owner: Owner | None, allowed: Decimal
    ) -> tuple[MakerResult | PerkieError, Decimal]:
        """The output or why there is none, and what was spent. ``allowed`` in dollars."""
        purse = Budget(allowed)
        job = Job(FileSource(Path(name)), PurePath(), style, owner)
        try:
            return await self._maker.make(photo, job, purse), purse.spent
        except PerkieError as error:
            return error, purse.spent

    async def ready(self) -> None:
        """Returns once the actor has begun."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._close()


@dataclass(slots=True)
class ClusterMaker:
    """``Maker`` that lets actors make the outputs. ``local`` plans; ``price`` in dollars of one picture."""

    local: Maker
    price: Decimal
    start: Callable[[], Any]
    places: int
    warn: Callable[[str], None]
    free: asyncio.Queue[Any] = field(default_factory=asyncio.Queue)
    actors: set[Any] = field(default_factory=set)
    failed: int = 0  # actors one after the other that did not begin
    why: str = ""

    def add(self) -> None:
        """Starts an actor. It is free once Ray has found a place for it: after the loss of a node there may be none."""
        actor = self.start()
        self.actors.add(actor)
        loop = asyncio.get_running_loop()

        def told(answer: Future[None]) -> None:  # in a thread of Ray's
            with suppress(RuntimeError):  # the run has ended
                loop.call_soon_threadsafe(self._begun, actor, answer.exception())

        actor.ready.remote().future().add_done_callback(told)

    def _begun(self, actor: Any, error: BaseException | None) -> None:
        if actor not in self.actors:
            return
        self.failed = 0 if error is None else self.failed + 1
        if self.failed > TRIES:
            self.free.put_nowait(None)
            self.why = str(error).strip().rpartition("\n")[2][:300]
        elif error is not None:
            self._replace(actor)
        else:
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
        """A free actor. Raises: Unavailable when none can begin."""
        if (actor := await self.free.get()) is None:
            self.free.put_nowait(None)
            raise Unavailable(f"the nodes of the Ray cluster cannot work: {self.why}", hint=SAME_PERKIE)
        return actor

    @contextmanager
    def _allowance(self, purse: Budget) -> Iterator[Decimal]:
        """What an actor may spend on one photo, set aside meanwhile. Where little is left, that is one call.

        Raises: BudgetExceeded.
        """
        several = self.price * RETRIES
        allowed = several if purse.left >= several * self.places else self.price
        if purse.left.is_infinite():
            yield purse.left
            return
        with purse.hold(allowed):
            yield allowed

    def _replace(self, actor: Any) -> None:
        import ray

        self.actors.discard(actor)
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


# Ray reads these when it is imported. It would keep back some of its messages, and print them from our own thread.
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


@asynccontextmanager
async def on_cluster(
    local: Maker, price: Decimal, open_: Open, wanted: Wanted, warn: Callable[[str], None]
) -> AsyncIterator[tuple[Maker, int]]:
    """A maker over the cluster that RAY_ADDRESS names, or that runs here, and how many photos it takes at once.

    ``warn`` is told of each node that is lost.

    Raises: Unavailable without a cluster, or without a GPU where one is wanted.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    import ray

    with _own_stdout(), _connected():
        places, resources = _places(ray.cluster_resources(), wanted)
        actor = ray.remote(NodeWorker).options(max_restarts=0, **resources)
        maker = ClusterMaker(local, price, lambda: actor.remote(open_), places, warn)
        for _ in range(places):
            maker.add()
        try:
            yield maker, places
        finally:
            await maker.close()


@contextmanager
def _connected() -> Iterator[None]:
    """Ray puts a handler of its own in place of ours for SIGTERM."""
    import ray

    before = signal.getsignal(signal.SIGTERM)
    try:
        _connect(os.environ.get("RAY_ADDRESS") or "auto")
    finally:
        signal.signal(signal.SIGTERM, before)
    try:
        yield
    finally:
        ray.shutdown()


class _WithoutRay:
    """A stream that leaves out what threads of Ray print: it has no option for that, and stdout is for data."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            return len(text)
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def _own_stdout() -> Iterator[None]:
    before = sys.stdout
    sys.stdout = cast(TextIO, _WithoutRay(before))
    try:
        yield
    finally:
        sys.stdout = before


def _connect(address: str) -> None:
    import ray

    host, _, port = address.rpartition(":")
    try:
        if port.isdigit() and "://" not in address:  # Ray itself asks for minutes
            socket.create_connection((host, int(port)), ANSWERS).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, namespace="perkie")
    except (ConnectionError, RuntimeError, ValueError, OSError) as error:
        where = "here" if address == "auto" else f"at {address}"
        raise Unavailable(
            f"no Ray cluster answers {where}: {str(error).partition(chr(10))[0][:200]}",
            hint="`ray start --head` starts one; RAY_ADDRESS=HOST:6379 names another one.",
        ) from error


def _places(cluster: Mapping[str, float], wanted: Wanted) -> tuple[int, dict[str, float]]:
    """How many actors, and what each of them takes. More actors than processors share these: they wait for Gemini."""
    processors, gpus = int(cluster.get("CPU", 0)), int(cluster.get("GPU", 0))
    if wanted.gpu and not gpus:
        raise Unavailable("no node of the Ray cluster has a GPU", hint="--device cpu does without.")
    places = wanted.actors or (gpus if wanted.gpu else processors) or 1
    if wanted.gpu:
        return min(places, gpus), {"num_gpus": 1, "num_cpus": 0}
    return places, {"num_cpus": min(1.0, int(1000 * processors / places) / 1000)}
