"""``perkie stylize``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.batch import Job, JobResult, Status, run_jobs
from perkie_cli.cli.files import read_input, write_atomically
from perkie_cli.cli.inputs import InputFile, check_targets, expand
from perkie_cli.cli.outputs import Made, OutputRecord, Standing, plan_targets
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.errors import InvalidParameter, PerkieError, UsageError
from perkie_cli.domain.generation import CacheUse, GenerateRequest
from perkie_cli.domain.identity import ANONYMOUS, Owner
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.workers import process_workers

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class _Options:
    """What the flags ask of every job."""

    format: ImageFormat
    owner: Owner
    cache: CacheUse
    force: bool
    dry_run: bool
    jobs: int


@app.command()
def stylize(
    ctx: typer.Context,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT…", help="Pictures, folders or patterns.")],
    style: Annotated[
        str,
        typer.Option(
            "--style",
            "-s",
            metavar="ID[,ID…]|all|popular",
            help="Styles by id or alias.",
            autocompletion=complete.styles,
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write here (one picture).")
    ] = None,
    out_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write into this folder (default: beside each input).")
    ] = None,
    engine: Annotated[str | None, typer.Option(metavar="auto|gemini|local", help="Who draws.")] = None,
    size: Annotated[int | None, typer.Option(metavar="PX", help="Long side of the result (default 1024).")] = None,
    format_: Annotated[
        str | None, typer.Option("--format", metavar="jpg|png|webp", help="Default: by the ending of -o, else jpg.")
    ] = None,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Whose picture it is.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Whose picture it is, not logged in.")] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="Draw again even if the cache has it.")] = False,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Neither read nor fill the cache.")] = False,
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="Look into folders of folders.")] = False,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Pictures at once; more than 1 uses processes.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Replace files that perkie did not make.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be made, make nothing.")] = False,
) -> None:
    """Redraw pets in an artistic style.

    Writes PET_STYLE.jpg beside each input and prints its path. A second run with the same input and options is
    skipped; a picture that was drawn before comes from the cache.

    Examples:

      perkie stylize pet.jpg --style ink_wash

      perkie stylize pet.jpg --style all --out-dir gallery/

      perkie stylize photos/ -r --style popular --out-dir gallery/ --jobs 2 --json
    """
    renderer = renderer_of(ctx)
    options = _Options(
        format=_format(format_, output),
        owner=_owner(customer, session),
        cache=_cache_use(refresh, no_cache),
        force=force,
        dry_run=dry_run,
        jobs=jobs,
    )

    async def work(services: Services) -> Report:
        styles = [each.id for each in services.styles.select(style)]
        record = OutputRecord(services.state_dir / "outputs.sqlite")
        files = expand(inputs, recursive=recursive, made_by_us=_made_below(inputs, record))
        check_targets(files, len(styles), output, out_dir)
        return await _Run(services, renderer, record, options).all(files, styles, output, out_dir)

    parts = {"drawing": process_workers(jobs)} if jobs > 1 else {}
    run(ctx, work, {"style.engine": engine, "style.size": size}, **parts)


class _Run:
    """One run of the command."""

    def __init__(self, services: Services, renderer: Renderer, record: OutputRecord, options: _Options) -> None:
        self._services = services
        self._renderer = renderer
        self._record = record
        self._options = options

    async def all(self, files: list[InputFile], styles: list[str], output: Path | None, out_dir: Path | None) -> Report:
        tails = [f"_{style}.{self._options.format.value}" for style in styles]
        targets = plan_targets(files, tails, output, out_dir)
        jobs = [
            Job(file.path, target, style)
            for file, row in zip(files, targets, strict=True)
            for target, style in zip(row, styles, strict=True)
        ]
        return await run_jobs(jobs, self._one, self._renderer, self._options.jobs)

    async def _one(self, job: Job) -> JobResult:
        options, services = self._options, self._services
        style = services.settings.style
        data = await asyncio.to_thread(read_input, job.source, services.limits.max_bytes)
        request = GenerateRequest(
            data, job.label, options.owner, style.engine, size=style.size, cache=options.cache, source=str(job.source)
        )
        key = services.generate.key(request)
        tag = f"{key.style} {key.fingerprint} {options.format.value}"
        redo = options.force or options.cache is not CacheUse.NORMAL
        standing = self._record.check(job.target, job.source, tag, force=options.force)
        if standing is Standing.FRESH and not redo:
            return JobResult(job, Status.SKIPPED, {"style": key.style}, remark="already made")
        if options.dry_run:
            return JobResult(job, Status.PLANNED, {"style": key.style}, remark="would be made")
        return await self._make(job, request, tag)

    async def _make(self, job: Job, request: GenerateRequest, tag: str) -> JobResult:
        from perkie_cli.services.deliver import deliver

        services = self._services
        made = await services.generate(request)
        picture = await services.workers.run(deliver, made.master, self._options.format)
        await asyncio.to_thread(write_atomically, job.target, picture.data)
        warnings = list(made.warnings)
        try:
            self._record.add(Made(job.target, job.source, made.hash, tag, final=not made.degraded), picture.data)
        except PerkieError as error:
            warnings.append(error.message)
        status = Status.CACHED if made.cache_hit else Status.DONE
        remark = "from the cache" if made.cache_hit else made.engine
        facts = {**made.facts(), "processing_time": made.processing_time}
        return JobResult(job, status, facts, warnings, remark=remark)


def _made_below(inputs: list[str], record: OutputRecord) -> list[Path]:
    folders = [Path(word) for word in inputs if Path(word).is_dir()]
    return [path for folder in folders for path in record.below(folder)]


def _owner(customer: str | None, session: str | None) -> Owner:
    if customer is not None and session is not None:
        raise UsageError("--customer and --session exclude each other")
    if customer is not None:
        return Owner.customer(customer)
    return ANONYMOUS if session is None else Owner.session(session)


def _cache_use(refresh: bool, no_cache: bool) -> CacheUse:
    if refresh and no_cache:
        raise UsageError("--refresh and --no-cache exclude each other")
    if no_cache:
        return CacheUse.OFF
    return CacheUse.REFRESH if refresh else CacheUse.NORMAL


def _format(name: str | None, output: Path | None) -> ImageFormat:
    word = name or (output.suffix.lstrip(".").lower() if output is not None else "") or "jpg"
    try:
        return ImageFormat("jpg" if word == "jpeg" else word)
    except ValueError:
        raise InvalidParameter(
            f"{word!r} is not an output format", hint="Formats: jpg, png, webp (by --format or the ending of -o)."
        ) from None
