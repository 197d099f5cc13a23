"""``perkie stylize``."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from perkie_cli.batch.inputs import InputFile, check_targets, expand
from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.pictures import PictureMaker
from perkie_cli.batch.run import Job, run_jobs
from perkie_cli.batch.targets import OutputRecord, plan_targets
from perkie_cli.batch.work import FileWork, Rules
from perkie_cli.cli import options
from perkie_cli.cli.batch import BatchReporter, batch_report, check_stdout, report_left_out
from perkie_cli.cli.checkpoints import ensure_weights
from perkie_cli.cli.choices import cache_use, matting_flags, output_format, output_place, owner_of
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.rows import EstimateRow
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.money.spend import Budget, dollars
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import Fallback, GenerateRequest
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.domain.quotas.limits import Charge

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Overrides, Services

OVERTIME = 20.0  # seconds after --deadline in which the local engine may still finish: late is better than nothing

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Options:
    """The flags that apply to every job."""

    format: ImageFormat
    owner: Owner
    rules: Rules
    jobs: int
    model: str | None
    fallback: frozenset[Fallback] | None  # None: depends on the number of inputs
    deadline: float | None
    budget: Budget | None
    remove_background: bool
    background: BackgroundUse | None

    def request(
        self, photo: Photo, style: str, charge: Charge | None, fallback: frozenset[Fallback], *, several: bool
    ) -> GenerateRequest:
        """The request for one job. A batch without fallback waits for the upstream's quota."""
        return GenerateRequest(
            photo,
            style,
            self.owner,
            model=self.model,
            remove_background=self.remove_background,
            background=self.background,
            cache=self.rules.cache,
            fallback=fallback,
            cover_setup=False,
            deadline=self.deadline,
            overtime=OVERTIME,
            wait_for_quota=several and not fallback,
            budget=self.budget,
            charge=charge,
        )


@app.command()
def stylize(
    ctx: typer.Context,
    inputs: options.Inputs,
    style: options.StyleNames,
    output: options.Output = None,
    out_dir: options.OutDir = None,
    engine: options.StyleEngineName = None,
    model: options.Model = None,
    size: options.Size = None,
    format_: options.Format = None,
    customer: options.Customer = None,
    session: options.Session = None,
    refresh: options.Refresh = False,
    no_cache: options.NoCache = False,
    remove_bg: options.RemoveBackground = False,
    matting_engine: options.StylizeMatting = None,
    mode: options.MattingMode = None,
    device: options.Device = None,
    background: options.PictureBackground = None,
    recursive: options.Recursive = False,
    fallback: options.FallbackSteps = None,
    deadline: options.DeadlineSeconds = None,
    estimate: options.Estimate = False,
    budget: options.BudgetDollars = None,
    jobs: options.Jobs = 1,
    force: options.Force = False,
    dry_run: options.DryRun = False,
) -> None:
    """Redraw pets in an artistic style.

    Writes PET_STYLE.jpg next to each input and prints its path. A second run with
    the same options is skipped; a picture drawn before comes from the cache.

    Examples:

      perkie stylize pet.jpg --style ink_wash

      perkie stylize pet.jpg --style all --out-dir gallery/

      perkie stylize photos/ -r --style popular --out-dir gallery/ --jobs 2 --json
    """
    file, out_dir = output_place(output, out_dir)
    matting = matting_flags(remove_bg, matting_engine, mode, device)
    options = _Options(
        format=output_format(format_, file, "jpg"),
        owner=owner_of(customer, session) or ANONYMOUS,
        rules=Rules(cache_use(refresh, no_cache), force, dry_run),
        jobs=jobs,
        model=model,
        fallback=_fallback(fallback),
        deadline=deadline,
        budget=None if budget is None else Budget(Decimal(str(budget))),
        remove_background=remove_bg,
        background=None if background is None else BackgroundUse.parse(background),
    )

    def work(services: Services) -> Awaitable[Report]:
        return _Run(services, renderer_of(ctx), options).start(
            inputs, ",".join(style), recursive, file, out_dir, estimate
        )

    run(ctx, work, {"style.engine": engine, "style.size": size, **matting}, **_parts(jobs))


def _parts(jobs: int) -> Overrides:
    if jobs == 1:
        return {}
    from perkie_cli.system.processes import process_workers

    return {"drawing": process_workers(jobs)}


class _Run:
    """One run of the command."""

    def __init__(self, services: Services, renderer: Renderer, options: _Options) -> None:
        self._services = services
        self._renderer = renderer
        self._record = OutputRecord(services.outputs)
        self._options = options
        self._fallback = options.fallback if options.fallback is not None else frozenset(Fallback)

    async def start(
        self, inputs: list[str], style: str, recursive: bool, file: Path | None, out_dir: Path | None, estimate: bool
    ) -> Report:
        """Draws all pictures, or only estimates their cost. Raises: as ``settle``."""
        files, styles = self.settle(inputs, style, recursive, file, out_dir)
        if estimate:
            return await _estimated(self._services, self._options, len(files), styles)
        return await self.all(files, styles, file, out_dir)

    def settle(
        self, inputs: list[str], style: str, recursive: bool, output: Path | None, out_dir: Path | None
    ) -> tuple[list[InputFile], list[str]]:
        """The input files and style ids, checked against the output options.

        Raises: UsageError, UnknownStyle, UnreadableFile.
        """
        if self._options.model is not None and self._draws_here:
            raise UsageError(
                "--model names a Gemini model, but the local engine was chosen",
                hint="Leave out --model, or --engine local; Gemini needs a key (GEMINI_API_KEY).",
            )
        styles = [each.id for each in self._services.styles.select(style)]
        made = self._record.below_folders(inputs)
        found = expand(inputs, recursive=recursive, kind=OutputKind.PICTURE, made_by_us=made)
        files = report_left_out(self._renderer, found)
        check_targets(files, len(styles), output, out_dir)
        return files, styles

    async def all(self, files: list[InputFile], styles: list[str], output: Path | None, out_dir: Path | None) -> Report:
        tails = [f"_{style}.{self._options.format.value}" for style in styles]
        targets = plan_targets(files, tails, output, out_dir)
        jobs = [
            Job(file.path, target, style)
            for file, row in zip(files, targets, strict=True)
            for target, style in zip(row, styles, strict=True)
        ]
        check_stdout(self._renderer, jobs)
        if self._options.fallback is None and len(files) > 1:
            self._fallback = frozenset()  # a batch can be run again later, so it should not be filled with substitutes
        if self._options.remove_background and not self._options.rules.dry_run:
            await ensure_weights(self._services, self._renderer, required=Fallback.LOCAL not in self._fallback)
        limits, stdout = self._services.limits, self._renderer.picture
        work = FileWork(self._maker(several=len(jobs) > 1), self._record, limits, self._options.rules, stdout)
        return batch_report(await run_jobs(jobs, work, BatchReporter(self._renderer), self._at_once()))

    def _maker(self, *, several: bool) -> PictureMaker:
        services, options = self._services, self._options
        charge = services.quota_limits.charge(options.owner)
        return PictureMaker(
            services.generate,
            services.workers,
            lambda photo, style: options.request(photo, style, charge, self._fallback, several=several),
            options.format,
        )

    def _at_once(self) -> int:
        """The number of concurrent jobs. While all processes draw, one more is read, looked up or written."""
        return self._options.jobs + 1 if self._draws_here and self._options.jobs > 1 else self._options.jobs

    @property
    def _draws_here(self) -> bool:
        """Whether the local engine was chosen."""
        return self._services.generate.engine().name == "local"


async def _estimated(services: Services, options: _Options, count: int, styles: list[str]) -> Report:
    """The cost of the run if none of it were in the cache."""
    each = dict.fromkeys(styles, services.generate.price(model=options.model))
    total = sum(each.values(), Decimal(0)) * count
    spent = await services.ledger.spent(services.clock.now().date())
    summary = {"pictures": count * len(styles), "usd": total, "usd_spent_today": spent}
    table = Table(
        ("style", "pictures", "each", "together"),
        [(style, count, dollars(usd), dollars(usd * count)) for style, usd in each.items()],
        frozenset({"pictures", "each", "together"}),
    )
    rows = [EstimateRow(style, count, usd, usd * count) for style, usd in each.items()]
    about = f"about {dollars(total)}, minus pictures in the cache; thinking tokens and retries cost extra"
    return Report(rows, summary, [table, f"{about} (--budget sets a limit); today {dollars(spent)} is spent"])


def _fallback(names: str | None) -> frozenset[Fallback] | None:
    if names is None:
        return None
    words = [word.strip() for word in names.split(",") if word.strip()]
    try:
        return frozenset() if words == ["none"] else frozenset(Fallback(word) for word in words)
    except ValueError:
        raise InvalidParameter(
            f"{names!r} is not a fallback", hint="Use none, cache, local or cache,local with --fallback."
        ) from None
