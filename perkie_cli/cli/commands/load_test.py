"""``perkie load-test``."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.loadtest.chaos import chaos
from perkie_cli.cli.loadtest.comparing import compared
from perkie_cli.cli.loadtest.rows import ExperimentFileRow, ExperimentRow, LoadScenarioFileRow, LoadScenarioRow
from perkie_cli.cli.loadtest.runs import run_all
from perkie_cli.cli.loadtest.settings import Settings, read_headers
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, MissingExtra, UsageError
from perkie_cli.domain.units import format_duration, parse_duration

if TYPE_CHECKING:
    from perkie_cli.loadtest.scenario import Scenario

app = typer.Typer(help="Test the service under load, as a gate for CI.")
app.command()(chaos)

Name = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO", help="A shipped scenario or a TOML file.", autocompletion=complete.load_scenario
    ),
]
MinChange = Annotated[
    float, typer.Option(min=0, metavar="SHARE", help="Ignore worsenings below this share (0.05 is 5 %).")
]


Target = Annotated[str | None, typer.Option(metavar="URL", help="The server to test.")]
Own = Annotated[bool, typer.Option("--self", help="Start emulators and a server for it, in processes of their own.")]
Rate = Annotated[float | None, typer.Option(metavar="N", help="Most requests a second, or users; phases are scaled.")]
Duration = Annotated[str | None, typer.Option(metavar="TIME", help="Length, such as 90s; phases are scaled.")]
Seed = Annotated[
    int | None, typer.Option(min=0, max=2**28 - 1, metavar="N", help="Send the same pictures in the same order.")
]
Workers = Annotated[int, typer.Option(min=0, max=64, metavar="N", help="Generator processes; 0: by the rate.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", "-H", metavar="NAME: VALUE", help="Send this header; repeatable.")
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Do not check the server's certificate.")]
Reports = Annotated[
    list[Path] | None,
    typer.Option(readable=False, metavar="FILE", help="Write a report: .json, .html, .md, .xml (JUnit); repeatable."),
]
Summary = Annotated[
    Path | None, typer.Option(readable=False, metavar="FILE", help="Append a Markdown summary, for a CI's page.")
]
Samples = Annotated[Path | None, typer.Option(readable=False, metavar="FILE", help="Write a CSV row for each request.")]
Repeat = Annotated[int, typer.Option(min=1, max=50, metavar="N", help="Run this many times.")]
Against = Annotated[str | None, typer.Option(metavar="URL", help="Also test this server, in turns, and compare.")]
MaxUsd = Annotated[
    float | None,
    typer.Option(min=0, metavar="USD", help="End the run once its answers cost more; needed unless --self."),
]
Owned = Annotated[bool, typer.Option("--i-own-this-target", help="Allow a target that is not on this machine.")]


def _check_extra() -> None:
    """Raises: MissingExtra when the generator's libraries are not installed."""
    for library in ("hdrh", "httptools", "uvloop"):
        if find_spec(library) is None:
            raise MissingExtra(
                f"perkie load-test needs {library}, which is not installed", hint="pip install 'perkie-cli[loadtest]'"
            )


@app.command()
def run(
    ctx: typer.Context,
    scenario: Name,
    target: Target = None,
    self_: Own = False,
    rate: Rate = None,
    duration: Duration = None,
    seed: Seed = None,
    workers: Workers = 0,
    header: Headers = None,
    insecure: Insecure = False,
    report: Reports = None,
    summary: Summary = None,
    samples: Samples = None,
    repeat: Repeat = 1,
    against: Against = None,
    min_change: MinChange = 0.05,
    max_usd: MaxUsd = None,
    i_own_this_target: Owned = False,
) -> None:
    """Send a scenario's requests on schedule, and judge the answers by its thresholds.

    Exit code 99: a threshold does not hold. 98: the run is invalid, because the generator was the limit.
    Latency counts from the intended time of sending, so that stalls are seen.

    Examples:

      perkie load-test run smoke --self

      perkie load-test run steady --target http://127.0.0.1:8080 --max-usd 0 \\
      --report run.html --report junit.xml

      perkie load-test run mine.toml --target https://staging.example.com \\
      --i-own-this-target --max-usd 2

      perkie load-test run cached --target http://127.0.0.1:8080 \\
      --against http://127.0.0.1:8081 --repeat 5 --max-usd 0
    """
    from perkie_cli.loadtest.reading.scenario_file import find

    settings = Settings(
        scenario=_changed(find(scenario), rate, duration),
        target=target,
        hosted=self_,
        against=against,
        repeat=repeat,
        seed=seed,
        workers=workers,
        headers=read_headers(header or []),
        insecure=insecure,
        reports=tuple(report or ()),
        summary=summary,
        samples=samples,
        min_change=min_change,
        max_usd=max_usd,
        owned=i_own_this_target,
    )
    settings.check()
    _check_extra()
    finish(ctx, run_all(renderer_of(ctx), settings))


def _changed(scenario: Scenario, rate: float | None, duration: str | None) -> Scenario:
    if rate is not None and not 0 < rate <= 1_000_000:
        raise InvalidParameter("--rate must be above 0, and at most 1,000,000")
    try:
        seconds = parse_duration(duration).total_seconds() if duration is not None else None
    except ValueError as error:
        raise InvalidParameter(f"--duration: {error}") from error
    if seconds is not None and not 0 < seconds <= 86_400:
        raise InvalidParameter("--duration must be above 0 s, and at most a day")
    return scenario.scaled(rate=rate, duration=seconds)


@app.command()
def compare(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(metavar="A.json…", help="JSON reports of side A, or one of each.")],
    against: Annotated[
        list[Path] | None, typer.Option("--against", "-b", metavar="B.json", help="A report of side B; repeatable.")
    ] = None,
    min_change: MinChange = 0.05,
) -> None:
    """Compare two sets of runs: is B slower than A, or is it the noise?

    Give all reports of A, then those of B with -b; two files alone are A and B.
    Five runs a side can be judged, one run a side gives only the ratio. Exit code 99: B is worse.

    Examples:

      perkie load-test compare before.json after.json

      perkie load-test compare a1.json a2.json a3.json a4.json -b b1.json \\
      -b b2.json -b b3.json -b b4.json
    """
    from perkie_cli.loadtest.compare import read_report

    if against:
        a, b = files, against
    elif len(files) == 2:
        a, b = files[:1], files[1:]
    else:
        raise UsageError("which of these are side B?", hint="Name each report of side B with -b.")
    sides = [[read_report(file) for file in side] for side in (a, b)]
    _check_alike(sides[0] + sides[1])
    finish(ctx, compared(*sides, min_change=min_change))


def _check_alike(reports: Sequence[object]) -> None:
    names = sorted({str(report["scenario"]["name"]) for report in reports})  # type: ignore[index]  # read_report checks
    if len(names) > 1:
        raise UsageError(f"these are runs of different scenarios: {', '.join(names)}")


@app.command("list")
def list_(ctx: typer.Context) -> None:
    """List the shipped scenarios and chaos experiments.

    Example:

      perkie load-test list
    """
    from perkie_cli.loadtest.chaos.document import shipped as experiments
    from perkie_cli.loadtest.reading.scenario_file import find, shipped

    found = [find(name) for name in shipped()]
    rows = [
        LoadScenarioRow(
            each.name,
            each.title,
            each.peak_rate,
            max(phase.users for phase in each.phases),
            each.duration,
            [call.name for call in each.calls],
            [threshold.name for threshold in each.thresholds],
        )
        for each in found
    ]
    lines = [(row.name, _load_of(each), row.title) for row, each in zip(rows, found, strict=True)]
    hurts = [ExperimentRow(name, experiments.title_of(text)) for name, text in experiments.shipped().items()]
    text = [
        Table(("scenario", "load", "what"), lines),
        Table(("experiment", "what"), [(row.name, row.title) for row in hurts]),
    ]
    finish(ctx, Report(results=[*rows, *hurts], text=text))


def _load_of(scenario: Scenario) -> str:
    if scenario.fresh_servers:
        return f"{scenario.fresh_servers} starts"
    length = format_duration(scenario.duration)
    if scenario.open:
        return f"{scenario.peak_rate:g}/s, {length}"
    return f"{max(phase.users for phase in scenario.phases)} users, {length}"


@app.command()
def show(ctx: typer.Context, scenario: Name) -> None:
    """Show a scenario as TOML or an experiment as YAML, to copy and change.

    Examples:

      perkie load-test show steady > mine.toml

      perkie load-test show gemini-outage > mine.yaml
    """
    from perkie_cli.loadtest.chaos.document.shipped import shipped
    from perkie_cli.loadtest.reading.scenario_file import parse, source

    if scenario in (experiments := shipped()):
        text = experiments[scenario]
        finish(ctx, Report(results=[ExperimentFileRow(scenario, text)], text=[text]))
    text, name = source(scenario)
    parse(text, name)
    finish(ctx, Report(results=[LoadScenarioFileRow(name, text)], text=[text]))
