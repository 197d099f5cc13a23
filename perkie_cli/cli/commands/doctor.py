"""``perkie doctor``: what is wrong, the most urgent first, and what mends it."""

from __future__ import annotations

import asyncio
import os
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

import perkie_cli
from perkie_cli.bootstrap import build_services
from perkie_cli.cli import complete
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.row_parts import CheckRow
from perkie_cli.cli.session import finish, renderer_of
from perkie_cli.config.load import load
from perkie_cli.domain.errors import ChangesPending, PerkieError, UsageError
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.ops.doctor.examine import TIME_LIMIT, Probe, Verdict, examine
from perkie_cli.ops.doctor.said import Level
from perkie_cli.ops.doctor.server import SERVER_CHECKS, Server, server_probes
from perkie_cli.ops.doctor.subject import Subject
from perkie_cli.ops.doctor.table import CHECKS, probes, without_settings
from perkie_cli.ports import Workers
from perkie_cli.system.threads import thread_workers

WIDTH = 80
_FIX = " " * 9 + "fix: "
_THREADS = 32  # more than there are checks: one that hangs must not hold up another

app = typer.Typer()
TITLES = {name: check.title for name, check in CHECKS.items()} | {
    name: text for name, (text, _) in SERVER_CHECKS.items()
}


@app.command()
def doctor(
    ctx: typer.Context,
    only: Annotated[
        str | None,
        typer.Option(
            "--only", metavar="ID,...", help="Only these checks.", autocompletion=complete.several_of(TITLES.items())
        ),
    ] = None,
    offline: Annotated[bool, typer.Option("--offline", help="Skip the checks that use the network.")] = False,
    url: Annotated[
        str | None, typer.Option("--url", metavar="URL", help="Check the server there instead of this machine.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", metavar="NAME: VALUE", help="With --url: send this, such as an X-API-Key."),
    ] = None,
    time_limit: Annotated[
        float, typer.Option("--time-limit", metavar="SECONDS", help="For each check.", min=0.1, max=600)
    ] = TIME_LIMIT,
) -> None:
    """Find what is wrong with this installation or a running server, and what mends it. Exit 8 with findings.

    It only looks: it changes and downloads nothing, and no check costs anything. What is skipped was not looked at.

    Examples:

      perkie doctor

      perkie doctor --only gemini.key,disk.space --json

      perkie doctor --url http://127.0.0.1:8080

      perkie doctor --url https://perkie.example -H "X-API-Key: $KEY"
    """
    renderer = renderer_of(ctx)
    if header and url is None:
        raise UsageError("-H goes with --url")
    ids = _chosen(only, list(SERVER_CHECKS if url else CHECKS))

    async def whole() -> Sequence[Verdict]:
        """Nothing is closed after a check that hung: that would wait for it."""
        workers = thread_workers(_THREADS)
        async with AsyncExitStack() as closing:
            closing.callback(workers.close)
            asked = (
                _of_this_machine(renderer, workers, ids, closing)
                if url is None
                else server_probes(_server(url, header), perkie_cli.__version__, ids)
            )
            verdicts = await examine(asked, workers, seconds=time_limit, offline=offline)
            if any(each.hung for each in verdicts):
                closing.pop_all()
        return verdicts

    finish(ctx, _report(asyncio.run(whole())))


def _server(url: str, headers: Sequence[str] | None) -> Server:
    if not headers:
        return Server(url.rstrip("/"))
    from perkie_cli.cli.loadtest.settings import read_headers  # late: most give none

    return Server(url.rstrip("/"), read_headers(headers))


def _of_this_machine(
    renderer: Renderer, workers: Workers, ids: Sequence[str], closing: AsyncExitStack
) -> Sequence[Probe]:
    try:
        loaded = load(config=renderer.flags.config, profile=renderer.flags.profile)
    except PerkieError as problem:
        return without_settings(problem, ids)
    services = build_services(loaded.settings, os.environ, io=workers)
    closing.push_async_callback(services.aclose)
    return probes(Subject(loaded, services), ids)


def _chosen(only: str | None, known: Sequence[str]) -> Sequence[str]:
    """The ids of ``--only``, in the order of the table. Raises: UsageError for one that is none of ``known``."""
    if only is None:
        return known
    wanted = [each.strip() for each in only.split(",")]
    for each in wanted:
        if each in known:
            continue
        if each in {*CHECKS, *SERVER_CHECKS}:
            way = "only with --url" if each in SERVER_CHECKS else "not with --url: it looks at this machine"
            raise UsageError(f"{each} is checked {way}")
        near = f"{did_you_mean(each, known)} There is {', '.join(known)}.".lstrip()
        raise UsageError(f"there is no check {each[:60]!r}", hint=near)
    return [each for each in known if each in wanted]


def _report(verdicts: Sequence[Verdict]) -> Report:
    rows = [CheckRow(each.check, each.said.level.value, each.said.message, each.said.fix) for each in verdicts]
    count = Counter(each.said.level for each in verdicts)
    findings = sum(each.said.is_finding for each in verdicts)
    error = ChangesPending(f"{findings} finding{'s' * (findings != 1)}") if findings else None
    summary = {level.value: count[level] for level in Level}
    told = [each for each in verdicts if each.said.level is not Level.SKIPPED]
    text = [*(line for each in told for line in lines(each)), *_skipped(verdicts)]
    return Report(rows, summary, text, error)


def _skipped(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """What was not looked at: one line for each reason."""
    reasons: dict[str, list[str]] = {}
    for each in verdicts:
        if each.said.level is Level.SKIPPED:
            reasons.setdefault(each.said.message, []).append(each.check)
    for reason, checks in reasons.items():
        yield from _folded(f"{Level.SKIPPED.value:8} ", f"{', '.join(checks)}: {reason}")


def lines(verdict: Verdict) -> Iterator[str]:
    """One verdict in text, folded between words. A command stays on one line, to be copied."""
    said = verdict.said
    head = f"{said.level.value:8} {verdict.check:16} "
    yield from _folded(head, _shortened(said.message))
    if said.fix and said.fix[0].isupper():  # a sentence
        yield from _folded(_FIX, said.fix)
    elif said.fix:
        yield _FIX + said.fix


def _folded(head: str, text: str) -> Sequence[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shortened(text: str) -> str:
    """With ~ for the home folder."""
    home = str(Path.home())
    return text.replace(f"{home}/", "~/") if home != "/" else text
