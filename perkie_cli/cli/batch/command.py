"""What all commands over many photos do: find the photos, name the outputs, ask, run, report.

``stylize``, ``remove-bg`` and ``process`` take these steps one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import TYPE_CHECKING

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.logbook import Logbook
from perkie_cli.batch.machines.parts import Parts, runs_folder, writer
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.names import plan_targets
from perkie_cli.batch.outputs.address import ObjectPath
from perkie_cli.batch.outputs.objects import Objects
from perkie_cli.batch.outputs.places import Outputs
from perkie_cli.batch.outputs.record import Files, OutputRecord
from perkie_cli.batch.photos.inputs import check_targets, is_bucket
from perkie_cli.batch.photos.settle import Settling, in_order
from perkie_cli.batch.photos.sources import InputFile, photo_from
from perkie_cli.batch.run import BatchRun, RunResult
from perkie_cli.batch.work import FileWork, Maker
from perkie_cli.cli.batch.cluster import Recipe, on_ray
from perkie_cli.cli.batch.drawing import at_once
from perkie_cli.cli.batch.estimate import Estimating
from perkie_cli.cli.batch.options import BatchOptions, Paying, ProgressKind, Runner
from perkie_cli.cli.batch.progress import BatchProgress
from perkie_cli.cli.batch.report import BatchReporter, batch_report, check_stdout, report_left_out, say_summary
from perkie_cli.cli.models.checkpoints import ensure_weights
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.domain.errors import NoPhotos, PerkieError
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.pictures.request import Fallback
from perkie_cli.system.imports import seldom_collected
from perkie_cli.system.memory import keep
from perkie_cli.system.threads import ThreadWorkers, in_own_thread

if TYPE_CHECKING:
    from perkie_cli.batch.pictures import Drawing
    from perkie_cli.bootstrap import Services

UNLIMITED = Decimal("Infinity")  # dollars


@dataclass(slots=True)
class BatchCommand:
    """One run of such a command. ``words`` are its arguments as typed, for the journal."""

    services: Services
    renderer: Renderer
    options: BatchOptions
    kind: OutputKind
    outputs: Outputs = field(init=False)  # since ``jobs``

    def __post_init__(self) -> None:
        """Lets stderr carry events, if asked to, and the process keep its memory."""
        keep()
        self.renderer.events = self.options.progress is ProgressKind.JSONL

    async def files(self) -> list[InputFile]:
        """The photos in the order asked for; with ``--allow-empty`` there may be none.

        Raises: UsageError, UnreadableFile, NoPhotos, InvalidParameter.
        """
        given, services = self.options.given, self.services
        near = [word for word in given.words if not is_bucket(word)]
        recorded = self.record.below_folders(near)
        settling = Settling(lambda: services.buckets, self.kind, self._style_ids)
        try:
            found = await settling.inputs(given, recorded)
        except NoPhotos:
            if not given.allow_empty:
                raise
            return []
        return in_order(report_left_out(self.renderer, found), self.options.order)

    def _style_ids(self, words: str) -> list[str]:
        return [style.id for style in self.services.styles.select(words)]

    @property
    def record(self) -> OutputRecord:
        """The record of outputs."""
        return OutputRecord(self.services.outputs)

    async def jobs(
        self, files: Sequence[InputFile], styles: Sequence[str], tail: Callable[[str], str], output: PurePath | None
    ) -> list[Job]:
        """A job for each photo and style; ``tail`` makes the end of an output's name.

        Raises: UsageError.
        """

        out_dir = self.options.out_dir
        rows = [file.styles or styles for file in files]
        check_targets(files, sum(map(len, rows)), output, out_dir)
        tails = [[tail(style) for style in row] for row in rows]
        self.outputs = await self._opened(output or out_dir)
        targets = await in_own_thread(plan_targets, files, tails, output, out_dir, self.outputs.origins)
        made = [
            Job(file.source, target, style, file.owner)
            for file, row, targets_of_file in zip(files, rows, targets, strict=True)
            for target, style in zip(targets_of_file, row, strict=True)
        ]
        check_stdout(self.renderer, made)
        return self._part(made)

    async def _opened(self, place: PurePath | None) -> Outputs:
        if not isinstance(place, ObjectPath):
            return Files(self.record, self.services.io)
        objects = Objects(place, self.services.buckets)
        await objects.look()
        return objects

    def _part(self, jobs: list[Job]) -> list[Job]:
        """This shard's jobs: chosen after all are named, so that no two shards give one name to two photos."""
        shard = self.options.shard
        if shard is None:
            return jobs
        chosen = [job for job in jobs if shard.takes(job.source.name)]
        self.renderer.say(f"shard {shard}: {len(chosen)} of {len(jobs)}")
        return chosen

    def work(self, maker: Maker) -> FileWork:
        """The work on each job."""
        services = self.services
        stdout = self.renderer.picture
        return FileWork(maker, self.outputs, services.limits, self.options.rules, services.io, stdout)

    async def draw(
        self, jobs: Sequence[Job], recipe: Recipe, drawing: Drawing, paying: Paying, steps: frozenset[Fallback]
    ) -> Report:
        """``run`` for jobs that may cost money, or their estimate. Raises: UsageError without consent to the cost."""
        services, options = self.services, self.options
        price = services.generate.price(model=drawing.model)
        estimating = Estimating(services, self.work(recipe(services)), price)
        if paying.estimate:
            return await estimating.report(jobs)
        if paying.confirm_over is not None:
            await estimating.confirm(self.renderer, jobs, paying.confirm_over, yes=paying.yes)
        at_a_time, cuts_out = at_once(services, options.jobs), drawing.remove_background
        required = Fallback.LOCAL not in steps
        return await self.run(jobs, recipe, at_a_time, paying.budget, price, cuts_out=cuts_out, required=required)

    async def begin_to_load(self, jobs: Sequence[Job]) -> None:
        """Begins to load the network for a single photo, whose output is not there; many hardly notice the time."""
        if len(jobs) != 1 or not self._makes_here:
            return
        if self.options.rules.redo or await self.outputs.modified([jobs[0].target]) == [None]:
            await self.services.cutout_readiness.begin()

    async def run(
        self,
        jobs: Sequence[Job],
        recipe: Recipe,
        at_once: int,
        budget: Decimal | None,
        price: Decimal = Decimal(0),
        *,
        cuts_out: bool,
        required: bool,
    ) -> Report:
        """Runs the jobs and reports. ``budget`` and ``price``, that of a picture, in dollars.

        ``required``: nothing stands in for the network that cuts out. Raises also: as ``ensure_weights``.
        """
        if len(jobs) == 1:
            seldom_collected()
        logbook = self._logbook()
        jobs = await logbook.due(jobs, failed_only=self.options.retry_failed, codes=self.options.only)
        if self.options.retry_failed and not jobs:
            self.renderer.say("nothing to try again: none of these failed when it was last tried")
        maker: Maker = recipe(self.services)
        work, used = self.work(maker), None
        there = await work.there(jobs)
        if cuts_out:
            await self._ensure_weights([job for place, job in enumerate(jobs) if place not in there], required=required)
        if self._uses_ray and len(there) < len(jobs):
            cluster = on_ray(self.services, recipe, maker, price, self.options, self.renderer.warn, cuts_out=cuts_out)
            async with cluster as actors:
                work, used = self.work(actors), actors.used
                ended = await self._recorded(logbook, jobs, work, there, used.places.actors, budget)
        else:
            ended = await self._recorded(logbook, jobs, work, there, at_once, budget)
        say_summary(self.renderer, ended, used)
        return batch_report(ended, logbook.run_id, used)

    async def _ensure_weights(self, jobs: Sequence[Job], *, required: bool) -> None:
        """Downloads the network if it is missing here, outputs are made here, and one of the photos can be used."""
        if not self._makes_here or not self.services.cutout_readiness.lacks_weights():
            return
        if await self._any_usable(jobs):
            await ensure_weights(self.services, self.renderer, required=required)

    async def _any_usable(self, jobs: Sequence[Job]) -> bool:
        for job in jobs:
            with suppress(PerkieError):
                await photo_from(job.source, self.services.limits, self.services.io)
                return True
        return False

    @property
    def _makes_here(self) -> bool:
        return not (self.options.rules.dry_run or self._uses_ray)

    @property
    def _uses_ray(self) -> bool:
        return self.options.runner is Runner.RAY and not self.options.rules.dry_run

    async def _recorded(
        self,
        logbook: Logbook,
        jobs: Sequence[Job],
        work: FileWork,
        there: frozenset[int],
        at_once: int,
        budget: Decimal | None,
    ) -> RunResult:
        renderer, options = self.renderer, self.options
        run = BatchRun(
            work,
            BatchReporter(renderer, BatchProgress(renderer, options.progress)),
            logbook,
            self.services.clock,
            Budget(UNLIMITED if budget is None else budget),
            options.run_rules(at_once, keep=renderer.flags.json),
            self._renew_threads,
        )
        if options.rules.dry_run:
            return await run.all(jobs, there)
        async with logbook.recorded(renderer.command, renderer.words, jobs, there):
            return await run.all(jobs, there)

    def _logbook(self) -> Logbook:
        services, warn = self.services, self.renderer.warn
        return Logbook(services.journal, services.locks, services.io, services.clock, warn, self._parts())

    def _parts(self) -> Parts | None:
        """A journal beside the outputs, for runs that others may have a part in."""
        out_dir, shard, services = self.options.out_dir, self.options.shard, self.services
        if out_dir is None or not (shard or isinstance(out_dir, ObjectPath)):
            return None
        write = writer(out_dir, lambda: services.buckets, services.io)
        return Parts(runs_folder(out_dir), shard, write, services.clock, self.renderer.warn)

    def _renew_threads(self) -> None:
        for workers in (self.services.workers, self.services.io):
            if isinstance(workers, ThreadWorkers):
                workers.renew()
