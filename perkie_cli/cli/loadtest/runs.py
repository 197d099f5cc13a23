"""Runs load tests for the command line: which target, how often, what is shown and written."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from perkie_cli.cli.loadtest.comparing import change_row, differences, regression
from perkie_cli.cli.loadtest.printed import line_of, overview, row_of, screen, text_of
from perkie_cli.cli.loadtest.rows import LoadRunRow
from perkie_cli.cli.loadtest.settings import Settings
from perkie_cli.cli.render import Renderer
from perkie_cli.cli.render import Report as Printed
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import PerkieError, UnwritableFile
from perkie_cli.domain.units import format_duration

if TYPE_CHECKING:
    from perkie_cli.loadtest.compare import Comparison
    from perkie_cli.loadtest.hosting.hosted import Hosted
    from perkie_cli.loadtest.load import Ending, Options, Run
    from perkie_cli.loadtest.report import Report
    from perkie_cli.loadtest.scenario import Scenario

_WORST = (130, 7, 98, 99, 3)  # exit codes of several runs: the first of these that one of them has


def run_all(renderer: Renderer, settings: Settings) -> Printed:
    """Runs the scenario as often as asked, on one or two targets in turns; writes the reports.

    Raises: PerkieError when a run cannot begin.
    """
    from perkie_cli.loadtest.hosting.interrupts import first_interrupt_only

    with first_interrupt_only():
        return _run_all(renderer, settings)


def _run_all(renderer: Renderer, settings: Settings) -> Printed:
    from perkie_cli.loadtest.hosting.interrupts import undisturbed

    done: list[tuple[Report, PerkieError | None]] = []
    rows: list[LoadRunRow] = []
    turns = list(_turns(settings))
    for label, target, seed in turns:
        run = _run(renderer, settings, target, seed, label)
        with undisturbed():
            report, error = _judged(run)
            written, lost = _write(settings, report, label)
        for warning in (*report.warnings, *([lost.message] if lost else ())):
            renderer.warn(warning)
        rows.append(row_of(report, written))
        done.append((report, error or lost))
        if label:
            renderer.say(f"{label}: {line_of(report)} ({len(rows)} of {len(turns)})")
        if error is not None and error.exit_code in (130, 7):
            break
    text: list[str | Table] = list(text_of(done[0][0])) if len(done) == 1 else [_overview(turns, done)]
    error = _worst(error for _, error in done)
    results: list[object] = [*rows]
    if settings.against is not None and (error is None or error.exit_code == 99):
        found = _sides(done, settings.min_change)
        results += [change_row(change) for change in found.changes]
        text += differences(found)
        error = regression(found) or error
    return Printed(results=results, summary={"runs": len(rows)}, text=text, error=error)


def _turns(settings: Settings) -> Iterator[tuple[str, str | None, int]]:
    """A label, the target (None: our own) and a seed for each run. No photo is sent twice: it would be a hit."""
    first = secrets.randbelow(2**27) if settings.seed is None else settings.seed
    number = 0
    for turn in range(settings.repeat):
        for side, target in (("a", settings.target), ("b", settings.against)):
            if side == "b" and target is None:
                continue
            several = settings.repeat > 1 or settings.against is not None
            yield (f"{side}{turn + 1}" if several else ""), target, (first + number) % 2**28
            number += 1


def _run(renderer: Renderer, settings: Settings, target: str | None, seed: int, label: str) -> Run:
    from perkie_cli.loadtest.load import Options, run_load

    options = Options(
        seed=seed,
        workers=settings.workers,
        headers=settings.headers,
        insecure=settings.insecure,
        samples=settings.samples and _labelled(settings.samples, label),
        max_usd=math.inf if settings.max_usd is None else settings.max_usd,
    )
    with _server(renderer, settings, target) as (url, hosted):
        if settings.scenario.fresh_servers and hosted is not None:
            return _cold(settings.scenario, hosted, options)
        length = format_duration(settings.scenario.duration)
        renderer.say(f"{settings.scenario.name} against {url}: {length} (seed {seed})")
        with renderer.live() as draw:
            return run_load(settings.scenario, url, options, _watching(draw))


def _cold(scenario: Scenario, hosted: Hosted, options: Options) -> Run:
    from perkie_cli.loadtest.cold import run_cold

    return run_cold(scenario, hosted, replace(options, workers=1))


@contextmanager
def _server(renderer: Renderer, settings: Settings, target: str | None) -> Iterator[tuple[str, Hosted | None]]:
    """The target's address; our own server where there is none."""
    if target is not None:
        yield target.rstrip("/"), None
        return
    from perkie_cli.loadtest.hosting.hosted import Hosted

    setup = settings.scenario.hosting
    renderer.say("starting emulators and a server …")
    with Hosted(setup.environ, plan=setup.gemini, picture=setup.picture) as hosted:
        yield hosted.url, hosted


def _watching(draw: Callable[[Sequence[str | Table]], None]) -> Callable[[Run], Ending | None]:
    from perkie_cli.loadtest.load import Ending
    from perkie_cli.loadtest.verdict import judged, must_abort

    def watch(run: Run) -> Ending | None:
        draw(screen(run, judged(run)))
        return Ending.ABORTED if must_abort(run) else None

    return watch


def _judged(run: Run) -> tuple[Report, PerkieError | None]:
    from perkie_cli.loadtest.reporting import report_of
    from perkie_cli.loadtest.verdict import verdict_of

    verdict = verdict_of(run)
    return report_of(run, verdict), verdict.error()


def _write(settings: Settings, report: Report, label: str) -> tuple[list[Path], UnwritableFile | None]:
    """The files that were written, and why others were not: what was measured is still printed."""
    from perkie_cli.loadtest.pages import as_markdown, write

    written: list[Path] = []
    path = settings.summary or Path()
    try:
        for path in (_labelled(each, label) for each in settings.reports):
            write(report, path)
            written.append(path)
        if settings.summary is not None:
            path = settings.summary
            with path.open("a", encoding="utf-8", errors="replace") as file:
                file.write(as_markdown(report))
    except OSError as error:
        return written, UnwritableFile(f"{path} cannot be written: {error.strerror}")
    return written, None


def _labelled(path: Path, label: str) -> Path:
    """``run-a1.json`` for ``run.json``, where there are several runs."""
    return path.with_stem(f"{path.stem}-{label}") if label else path


def _worst(errors: Iterator[PerkieError | None]) -> PerkieError | None:
    found = [error for error in errors if error is not None]
    return min(found, key=lambda error: _WORST.index(error.exit_code), default=None)


def _overview(turns: Sequence[tuple[str, str | None, int]], done: Sequence[tuple[Report, PerkieError | None]]) -> Table:
    return overview([(label, report) for (label, _, _), (report, _) in zip(turns, done, strict=False)])


def _sides(done: Sequence[tuple[Report, PerkieError | None]], least: float) -> Comparison:
    import json

    from perkie_cli.loadtest.compare import compare
    from perkie_cli.loadtest.report import as_json

    tables = [json.loads(as_json(report)) for report, _ in done]
    return compare(tables[::2], tables[1::2], least=least)
