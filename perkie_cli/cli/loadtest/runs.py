"""Runs load tests for the command line: which target, how often, what is shown and written."""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from perkie_cli.cli.loadtest.comparing import change_row, differences, regression
from perkie_cli.cli.loadtest.rows import LoadRunRow
from perkie_cli.cli.render import Renderer
from perkie_cli.cli.render import Report as Printed
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, PerkieError, UnwritableFile, UsageError
from perkie_cli.domain.units import format_duration

if TYPE_CHECKING:
    from perkie_cli.loadtest.compare import Comparison
    from perkie_cli.loadtest.hosting.hosted import Hosted
    from perkie_cli.loadtest.load import Ending, Options, Run
    from perkie_cli.loadtest.report import Report
    from perkie_cli.loadtest.scenario import Scenario

_WORST = (130, 7, 98, 99, 3)  # exit codes of several runs: the first of these that one of them has


@dataclass(frozen=True, slots=True)
class Settings:
    """What ``load-test run`` was asked for."""

    scenario: Scenario
    target: str | None
    hosted: bool
    against: str | None
    repeat: int
    seed: int | None
    workers: int
    headers: Mapping[str, str]
    insecure: bool
    reports: tuple[Path, ...]
    summary: Path | None
    samples: Path | None
    min_change: float
    max_usd: float | None
    owned: bool

    def check(self) -> None:
        """Refuses what must not start.

        Raises: UsageError, InvalidParameter, UnwritableFile.
        """
        from perkie_cli.loadtest.pages import check_suffix

        if (self.target is None) != self.hosted:
            raise UsageError(
                "what is to be tested? Use one of --target and --self", hint="--self starts a server for the test."
            )
        if self.against and self.hosted:
            raise UsageError("--against compares two running servers; --self starts one")
        if self.scenario.fresh_servers and not self.hosted:
            raise UsageError(f"{self.scenario.name} starts the server again and again, which needs --self")
        for url in filter(None, (self.target, self.against)):
            self._check_target(url)
        for path in self.reports:
            check_suffix(path)
        for file in filter(None, (*self.reports, self.summary, self.samples)):
            _check_writable(file)

    def _check_target(self, url: str) -> None:
        parts = _parts(url)
        if not (self.owned or _is_loopback(parts.hostname or "")):
            raise UsageError(
                f"{url} is not on this machine", hint="Add --i-own-this-target if it is yours to put under load."
            )
        if self.max_usd is None and any(call.method == "POST" for call in self.scenario.calls):
            raise UsageError(
                f"{url} may spend real money on these requests",
                hint="Say how much with --max-usd (0 for a server that spends none), or use --self.",
            )


def _check_writable(file: Path) -> None:
    """Raises: UnwritableFile, before anything is sent for a report that cannot be kept."""
    if not file.parent.is_dir():
        raise UnwritableFile(f"{file}: there is no folder {file.parent}")
    if file.is_dir():
        raise UnwritableFile(f"{file} is a folder")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UnwritableFile(f"{file} cannot be written: permission denied")


def _parts(url: str) -> Any:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(c.isspace() for c in url):
        raise InvalidParameter(f"{url!r} is not an address such as http://127.0.0.1:8080")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidParameter("a target has no credentials, query or fragment", hint="Send credentials with -H.")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_headers(given: Sequence[str]) -> Mapping[str, str]:
    """``Name: value`` each.

    Raises: InvalidParameter.
    """
    from perkie_cli.loadtest.scenario import why_no_header

    found: dict[str, str] = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not text.isprintable():
            raise InvalidParameter("-H takes a header such as 'X-API-Key: 1234'")  # the value may be secret
        if why := why_no_header(name.strip()):
            raise InvalidParameter(f"-H: {name.strip()!r} {why}")
        found[name.strip()] = value.strip()
    return found


# ---------------------------------------------------------------- runs


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
        rows.append(_row(report, written))
        done.append((report, error or lost))
        if label:
            renderer.say(f"{label}: {_line(report)} ({len(rows)} of {len(turns)})")
        if error is not None and error.exit_code in (130, 7):
            break
    text: list[str | Table] = list(_text(done[0][0])) if len(done) == 1 else [_overview(done, settings)]
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
        draw(_screen(run, judged(run)))
        return Ending.ABORTED if must_abort(run) else None

    return watch


def _screen(run: Run, judgements: Sequence[Any]) -> Sequence[str | Table]:
    from perkie_cli.loadtest.pages import seconds
    from perkie_cli.loadtest.tally import Outcome

    whole = run.tally.series()
    warming = " (warm-up)" if run.seconds < run.scenario.warm_up else ""
    figures = [f"p{share * 100:g} {seconds(whole.quantile(share))}" for share in (0.5, 0.95, 0.99)]
    good, skipped = whole.outcomes[Outcome.OK], whole.outcomes[Outcome.SKIPPED]
    marks = {True: "✓", False: "✗"}
    rows = [("·" if each.value is None else marks[each.holds], each.threshold.name, each.shown) for each in judgements]
    return [
        f"{format_duration(run.seconds)} of {format_duration(run.scenario.duration)}{warming}",
        f"{good:,} good, {whole.failed:,} failed, {skipped:,} skipped, {run.tally.warm_up.meant:,} in the warm-up",
        "  ".join(figures),
        Table(("", "threshold", "now"), rows),
    ]


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


# ---------------------------------------------------------------- what is printed


def _row(report: Report, written: Sequence[Path]) -> LoadRunRow:
    return LoadRunRow(
        scenario=report.scenario.name,
        target=report.target,
        status=report.status,
        ending=report.ending,
        invalid=report.invalid,
        seed=report.scenario.seed,
        started=report.started,
        seconds=report.seconds,
        thresholds=report.thresholds,
        total=report.total,
        reports=written,
    )


def _text(report: Report) -> Iterator[str | Table]:
    from perkie_cli.loadtest.pages import COLUMNS, TIMES, counts, groups, headline, rates, service, times

    yield headline(report)
    if report.thresholds:
        rows = [("✓" if row.holds else "✗", row.name, row.shown) for row in report.thresholds]
        yield Table(("", "threshold", "measured"), rows, frozenset({"measured"}))
    yield Table(COLUMNS, [counts(*each) for each in groups(report)], frozenset(COLUMNS[1:]))
    latencies = [*(times(*each) for each in groups(report)), service(report.total)]
    yield Table(TIMES, latencies, frozenset(TIMES[1:]))
    yield rates(report.total)
    for each in report.errors:
        yield f"{each.count:,} × {each.reason} ({each.request}): {' '.join(each.answer.split())[:200]}"


def _line(report: Report) -> str:
    from perkie_cli.loadtest.pages import headline, seconds

    return f"{headline(report)}, p95 {seconds(report.total.latency.p95)}"


def _overview(done: Sequence[tuple[Report, PerkieError | None]], settings: Settings) -> Table:
    from perkie_cli.loadtest.pages import percent, seconds

    labels = [label for label, _, _ in _turns(settings)]
    rows = []
    for label, (report, _) in zip(labels, done, strict=False):
        total = report.total
        figures = (total.latency.p50, total.latency.p95, total.latency.p99)
        rows.append((label, report.target, report.status, *map(seconds, figures), percent(total.error_rate)))
    columns = ("run", "target", "status", "p50", "p95", "p99", "errors")
    return Table(columns, rows, frozenset(columns[3:]))


def _sides(done: Sequence[tuple[Report, PerkieError | None]], least: float) -> Comparison:
    import json

    from perkie_cli.loadtest.compare import compare
    from perkie_cli.loadtest.report import as_json

    tables = [json.loads(as_json(report)) for report, _ in done]
    return compare(tables[::2], tables[1::2], least=least)
