"""``perkie load-test chaos``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.loadtest.rows import ChaosCheckRow
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import MissingExtra, UnwritableFile

if TYPE_CHECKING:
    from perkie_cli.loadtest.chaos.process import Outcome


Name = Annotated[
    str,
    typer.Argument(
        metavar="EXPERIMENT",
        help="A shipped experiment, or a JSON or YAML file of Chaos Toolkit.",
        autocompletion=complete.experiment,
    ),
]
Reports = Annotated[
    list[Path] | None,
    typer.Option(
        "--report",
        readable=False,
        metavar="FILE",
        help="Write a report: .json (the journal), .md, .xml (JUnit); repeatable.",
    ),
]
Summary = Annotated[
    Path | None, typer.Option(readable=False, metavar="FILE", help="Append a Markdown summary, as a CI shows it.")
]
Allowed = Annotated[
    str,
    typer.Option(
        "--allow-providers",
        metavar="KIND,…",
        help="Let the file run programs (process), any Python (python), remote calls (http).",
    ),
]
Server = Annotated[
    str | None, typer.Option(metavar="COMMAND", help="Start this as the server under test instead of `perkie serve`.")
]


def chaos(
    ctx: typer.Context,
    experiment: Name,
    reports: Reports = None,
    summary: Summary = None,
    allowed: Allowed = "",
    server: Server = None,
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
    from perkie_cli.loadtest.chaos.process import Job, run_experiment

    _check_files(reports or [], summary)
    job = Job(experiment, tuple(sorted(providers_of(allowed))), server)
    outcome = run_experiment(job, renderer_of(ctx).say)
    written, failure = _write(outcome, reports or [], summary)
    if failure is not None and outcome.verdict.exit_code:
        renderer_of(ctx).warn(failure.message)
    finish(ctx, _report(outcome, written, failure))


def _check_files(reports: Sequence[Path], summary: Path | None) -> None:
    """Raises: UsageError, UnwritableFile, before anything starts."""
    from perkie_cli.loadtest.chaos.pages import check_suffix

    for path in reports:
        check_suffix(path)
    for path in filter(None, (*reports, summary)):
        if not path.parent.is_dir():
            raise UnwritableFile(f"{path}: there is no folder {path.parent}")


def _report(outcome: Outcome, written: Sequence[Path], failure: UnwritableFile | None) -> Report:
    from perkie_cli.loadtest.chaos.pages import error_of, headline

    rows = [ChaosCheckRow(each.check, each.verdict.value, each.message) for each in outcome.findings]
    summary = {
        "experiment": outcome.name,
        "title": outcome.title,
        "verdict": outcome.verdict.value,
        "started": outcome.started,
        "seconds": outcome.seconds,
        "reports": written,
    }
    error = error_of(outcome)
    return Report(rows, summary, [_table(rows), *([] if error else [headline(outcome)])], error or failure)


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


def _write(outcome: Outcome, reports: Sequence[Path], summary: Path | None) -> tuple[list[Path], UnwritableFile | None]:
    """The reports that were written, and why others were not: what was found is still printed."""
    from perkie_cli.loadtest.chaos.pages import as_markdown, write

    written: list[Path] = []
    path = summary or Path()
    try:
        for path in reports:
            write(outcome, path)
            written.append(path)
        if summary is not None:
            path = summary
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(as_markdown(outcome))
    except OSError as error:
        return written, UnwritableFile(f"{path} cannot be written: {error.strerror}")
    return written, None
