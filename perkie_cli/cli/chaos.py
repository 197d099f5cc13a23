"""``perkie load-test chaos``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.render import Report
from perkie_cli.cli.rows import ChaosCheckRow
from perkie_cli.cli.session import finish, renderer_of
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import MissingExtra, UnwritableFile

if TYPE_CHECKING:
    from perkie_cli.loadtest.chaos.process import Outcome


def chaos(
    ctx: typer.Context,
    experiment: Annotated[
        str,
        typer.Argument(
            metavar="EXPERIMENT",
            help="A shipped experiment, or a JSON or YAML file of Chaos Toolkit.",
            autocompletion=complete.experiment,
        ),
    ],
    report: Annotated[
        list[Path] | None,
        typer.Option(
            readable=False, metavar="FILE", help="Write a report: .json (the journal), .md, .xml (JUnit); repeatable."
        ),
    ] = None,
    summary: Annotated[
        Path | None, typer.Option(readable=False, metavar="FILE", help="Append a Markdown summary, as a CI shows it.")
    ] = None,
    allow_providers: Annotated[
        str,
        typer.Option(
            metavar="KIND,…", help="Let the file run programs (process), any Python (python), remote calls (http)."
        ),
    ] = "",
    server: Annotated[
        str | None,
        typer.Option(metavar="COMMAND", help="Start this as the server under test instead of `perkie serve`."),
    ] = None,
) -> None:
    """Hurt the service on purpose, and check that it keeps its promises.

    Shipped experiments start emulators and a server of their own.
    Rollbacks are always played, however often you press Ctrl-C, and then the
    steady state is verified again.
    Exit code 99: a promise was broken. 98: the experiment says nothing,
    such as when no call met the fault.

    Examples:

      perkie load-test chaos gemini-outage

      perkie load-test chaos kill-server --report junit.xml --summary summary.md

      perkie load-test chaos mine.yaml --allow-providers process --report out.json
    """
    _check_extra()
    from perkie_cli.loadtest.chaos.document.providers import providers_of
    from perkie_cli.loadtest.chaos.pages import check_suffix, error_of, headline
    from perkie_cli.loadtest.chaos.process import Job, run_experiment

    files = [*(report or []), *filter(None, [summary])]
    for path in report or []:
        check_suffix(path)
    for path in files:
        if not path.parent.is_dir():
            raise UnwritableFile(f"{path}: there is no folder {path.parent}")
    job = Job(experiment, tuple(sorted(providers_of(allow_providers))), server)
    outcome = run_experiment(job, renderer_of(ctx).say)
    written = _write(outcome, report or [], summary)
    rows = [ChaosCheckRow(each.check, each.verdict.value, each.message) for each in outcome.findings]
    finish(
        ctx,
        Report(
            results=rows,
            summary={
                "experiment": outcome.name,
                "title": outcome.title,
                "verdict": outcome.verdict.value,
                "started": outcome.started,
                "seconds": outcome.seconds,
                "reports": written,
            },
            text=[_table(rows), headline(outcome)],
            error=error_of(outcome),
        ),
    )


def _table(rows: Sequence[ChaosCheckRow]) -> Table:
    return Table(("check", "verdict", "what was found"), [(row.check, row.verdict, row.message) for row in rows])


def _check_extra() -> None:
    """Raises: MissingExtra, before anything starts."""
    for module, package in (("chaoslib", "chaostoolkit-lib"), ("yaml", "pyyaml")):
        if find_spec(module) is None:
            raise MissingExtra(
                f"perkie load-test chaos needs {package}, which is not installed",
                hint="pip install 'perkie-cli[loadtest]'",
            )


def _write(outcome: Outcome, reports: Sequence[Path], summary: Path | None) -> list[Path]:
    """The files. Raises: UnwritableFile."""
    from perkie_cli.loadtest.chaos.pages import as_markdown, write

    path = summary or Path()
    try:
        for path in reports:
            write(outcome, path)
        if summary is not None:
            path = summary
            with path.open("a", encoding="utf-8") as file:
                file.write(as_markdown(outcome))
    except OSError as error:
        raise UnwritableFile(f"{path} cannot be written: {error.strerror}") from error
    return list(reports)
