"""``perkie models``: model files and image models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete, making
from perkie_cli.cli.batch.report import summed_up
from perkie_cli.cli.models import image_models
from perkie_cli.cli.models.checkpoints import described, ensure_weights
from perkie_cli.cli.models.checkpoints import pull as pull_file
from perkie_cli.cli.models.rows import NetworkRow, ScoreRow, WeightsRow
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import ErrorRow, FailedRow
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.cutouts.checkpoint import CHECKPOINTS, Checkpoint, checkpoint
from perkie_cli.domain.errors import ChangesPending, MissingWeights, PerkieError
from perkie_cli.services.cutouts.evaluate import Evaluated, mean_scores
from perkie_cli.services.cutouts.weights import Weights, WeightState

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services

_PULL = "Download it: perkie models pull."

app = typer.Typer(help="Get, check and evaluate the models that draw and cut out.")

Modes = Annotated[
    list[str] | None,
    typer.Option(
        "--mode",
        metavar="base|fast",
        help="Only this one; may be given twice.",
        autocompletion=complete.matting_mode,
    ),
]


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List matting models with their files, and Gemini's image models with price and shutdown date.

    Examples:

      perkie models list

      perkie models list --json
    """

    async def work(services: Services) -> Report:
        files = _files_report(services, [services.model_files.look(each) for each in CHECKPOINTS.values()])
        networks = _networks_report(services)
        images = image_models.listed(services)
        rows = [*files.results, *networks.results, *images.results]
        return Report(rows, files.summary, [*files.text, "", *networks.text, "", *images.text])

    run(ctx, work)


@app.command()
def check(ctx: typer.Context) -> None:
    """Ask the Gemini API which image models it offers. Exit 8 when yours is shut down, or will be within 30 days.

    Examples:

      perkie models check

      perkie models check --json
    """
    run(ctx, image_models.checked)


@app.command()
def pull(
    ctx: typer.Context,
    mode: Modes = None,
    force: Annotated[bool, typer.Option("--force", help="Download files again even if they exist.")] = False,
) -> None:
    """Download the checkpoints for background removal; resumes interrupted downloads.

    Settings: matting.weights_url, matting.mirror_url, matting.models_dir; HTTPS_PROXY; PERKIE_OFFLINE.

    Examples:

      perkie models pull

      perkie models pull --mode fast
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        done = []
        for wanted in _chosen(mode):
            found = services.model_files.look(wanted)
            if force or found.state is WeightState.ABSENT:
                await pull_file(services, renderer, wanted)
                found = services.model_files.look(wanted)
            done.append(found)
        return _files_report(services, done)

    run(ctx, work)


@app.command()
def verify(ctx: typer.Context, mode: Modes = None) -> None:
    """Compare local checkpoints, and the sources of exports, with the published ones. Exit 8 when one is wrong.

    Examples:

      perkie models verify

      perkie models verify --mode base --json
    """

    async def work(services: Services) -> Report:
        files = [await services.model_files.verify(each) for each in _chosen(mode)]
        wrong = [path.name for each in files for path in each.wrong]
        absent = all(each.state is WeightState.ABSENT for each in files)
        error: PerkieError | None = None
        if wrong:
            hint = "Download it: perkie models pull --force; then perkie models export."
            error = ChangesPending(f"not (made of) the published file: {', '.join(wrong)}", hint=hint)
        elif absent:
            error = MissingWeights("no checkpoint is here", hint=_PULL)
        return _files_report(services, files, error)

    run(ctx, work)


@app.command()
def export(ctx: typer.Context, mode: Modes = None) -> None:
    """Export the checkpoints to ONNX: about twice as fast on a CPU, without loading torch.

    Takes a minute or two and 4 GB of memory each. A file is kept only if its results match the checkpoint's.

    Examples:

      perkie models export

      perkie models export --mode fast
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        chosen = [services.model_files.look(each) for each in _chosen(mode)]
        here = [each for each in chosen if each.path is not None]
        if not here:
            raise MissingWeights("there is no checkpoint to export", hint=_PULL)
        for each in here:
            renderer.say(f"exporting {each.checkpoint.model}; this takes a minute")
            assert each.path is not None, "chosen for it"
            await services.export_checkpoint(each.checkpoint, each.path)
        return _files_report(services, [services.model_files.look(each.checkpoint) for each in here])

    run(ctx, work)


@app.command()
def evaluate(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of photos and their true mattes.")],
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            metavar="ENGINE",
            help="Score this engine; repeat it to compare several.",
            autocompletion=complete.matting_engine,
        ),
    ] = None,
    mode: making.MattingMode = None,
    device: making.Device = None,
) -> None:
    """Score background removal on your own photos: MAE, S-measure, max-F, SAD, gradient error.

    FOLDER has photos/ and mattes/ with the same names, or NAME.jpg with NAME_matte.png.

    Examples:

      perkie models evaluate pets/

      perkie models evaluate pets/ --engine builtin --engine u2net --json
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        pairs = await services.evaluate.pairs(folder)
        names = list(dict.fromkeys(engine or [services.matting_choice.engine]))
        for name in names:
            services.cutouts.recipe(name)  # raises if there is no such engine
            await ensure_weights(services, renderer, engine=name)
        jobs = [(pair, name) for name in names for pair in pairs]
        done, failed = [], list[tuple[Path, PerkieError]]()
        for pair, name in jobs:
            try:
                done.append(await services.evaluate(pair, name))
            except PerkieError as error:
                if len(jobs) > 1:  # a single failure is in the report itself
                    renderer.complain(error, f"{pair.photo} by {name}")
                failed.append((pair.photo, error))
        return _scores_report(done, failed)

    run(ctx, work, {"matting.mode": mode, "matting.device": device})


def _scores_report(done: Sequence[Evaluated], failed: Sequence[tuple[Path, PerkieError]]) -> Report:
    means = {name: mean_scores([each.scores for each in group]) for name, group in _by_model(done).items()}
    rows = [
        (each.model, each.pair.photo.name, *_rounded(asdict(each.scores)), f"{each.confidence:.2f}") for each in done
    ]
    rows += [(name, "mean", *_rounded(scores), "") for name, scores in means.items()]
    columns = ("model", "photo", "MAE", "S-measure", "max-F", "SAD", "gradient", "confidence")
    total = len(done) + len(failed)
    error, code = summed_up([each for _, each in failed], total)
    of_all = next(iter(means.values())) if len(means) == 1 else means
    return Report(
        results=[
            *(_scored(each) for each in done),
            *(FailedRow(photo, ErrorRow.of(each)) for photo, each in failed),
        ],
        summary={"total": total, "failed": len(failed), **of_all},
        text=[Table(columns, rows, frozenset(columns[2:]))] if done else [],
        error=error,
        exit_code=code,
    )


def _by_model(done: Sequence[Evaluated]) -> Mapping[str, Sequence[Evaluated]]:
    return {each.model: [other for other in done if other.model == each.model] for each in done}


def _scored(each: Evaluated) -> ScoreRow:
    return ScoreRow(
        input=each.pair.photo,
        **asdict(each.scores),
        confidence=each.confidence,
        model=each.model,
        engine=each.engine,
        device=each.device,
        processing_time=each.processing_time,
    )


def _rounded(scores: Mapping[str, float]) -> list[str]:
    return [f"{value:.4g}" for value in scores.values()]


def _chosen(modes: list[str] | None) -> Sequence[Checkpoint]:
    return [checkpoint(mode) for mode in modes] if modes else list(CHECKPOINTS.values())


def _files_report(services: Services, files: Sequence[Weights], error: PerkieError | None = None) -> Report:
    table = Table(
        ("model", "state", "file", "ONNX"),
        [(each.checkpoint.model, each.state.value, described(each.path), described(each.exported)) for each in files],
    )
    return Report(
        results=[_row(each) for each in files],
        summary={"models_dir": services.model_files.folder},
        text=[table, f"models are stored in {services.model_files.folder}"],
        error=error,
    )


def _networks_report(services: Services) -> Report:
    """The networks that --engine accepts, in addition to perkie's own engines."""
    found = [(network, services.model_store.find(network.file)) for network in services.networks.values()]
    table = Table(
        ("network", "side", "licence", "file"),
        [
            (each.id, str(each.side), each.licence, described(path) if path else f"{each.file} is missing")
            for each, path in found
        ],
        frozenset({"side"}),
    )
    rows = [NetworkRow(each.id, each.title, each.licence, each.side, path) for each, path in found]
    return Report(rows, {}, [table])


def _row(each: Weights) -> WeightsRow:
    wanted = each.checkpoint
    return WeightsRow(wanted.model, wanted.mode, each.state.value, each.path, each.size, each.exported, wanted.md5)
