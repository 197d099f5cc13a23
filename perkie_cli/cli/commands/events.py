"""``perkie events``: the last failures of a server, from its log."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.cli.choices import owner_of
from perkie_cli.cli.records.folding import Repeated, Repeats, hint_apart
from perkie_cli.cli.records.logs import lines_of
from perkie_cli.cli.records.since import Since, begin_of
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import finish, renderer_of, services_of
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, MissingCredentials, UsageError
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.records import LogLine
from perkie_cli.http.request.owner_tag import OwnerTags
from perkie_cli.telemetry.log_file import LEVELS, read_log

app = typer.Typer()


@app.command()
def events(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(metavar="[LOG]...", help="Files of the log, text or JSON; - is stdin.")
    ] = None,
    since: Since = None,
    level: Annotated[
        str,
        typer.Option(metavar="|".join(LEVELS), help="Only from this level.", autocompletion=complete.among(LEVELS)),
    ] = "WARNING",
    request: Annotated[str | None, typer.Option(metavar="ID", help="Only of this request, whatever level.")] = None,
    customer: Annotated[str | None, typer.Option(metavar="ID", help="Only of this customer, whatever level.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Only of this session, whatever level.")] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="The last N.")] = 20,
) -> None:
    """Show the last failures of a server, from its log: what failed, for which request, and what to do about it.

    The same message stands once, with how often it came, but for one request or owner; --json has each line.

    The log names nobody: --customer computes the tag in it with http.link_secret.

    Examples:

      perkie events server.log --since 2h

      journalctl -u perkie -o cat | perkie events - --customer 42

      perkie events server.log --request 1f6c90 --json
    """
    renderer = renderer_of(ctx)
    if level.upper() not in LEVELS:
        raise InvalidParameter(f"--level: {level[:20]!r} is not a level", hint=f"Levels: {', '.join(LEVELS)}.")
    if not files:
        raise UsageError("which log?", hint="Name its file, or pipe it: journalctl -u perkie -o cat | perkie events -")
    begin, owner = begin_of(since, datetime.now(UTC)), owner_of(customer, session)
    tag = None if owner is None else _tag(ctx, owner)
    least = 0 if request is not None or tag is not None else LEVELS.index(level.upper())
    shown: deque[LogLine] = deque(maxlen=limit)
    count: Counter[str] = Counter()
    repeats = Repeats()
    any_line = False
    for line in read_log(lines_of(files)):
        any_line = True
        if line.time < begin or LEVELS.index(line.level) < least or (request and line.request_id != request):
            continue
        if tag is None or line.owner == tag:
            shown.append(line)
            repeats.add(line)
            count[line.event or line.level.lower()] += 1
    if not any_line:
        names = ", ".join("stdin" if str(each) == "-" else str(each) for each in files)
        renderer.warn(f"no line of {names} is one of perkie's log: is it the right one, and not empty?")
    elif not shown:
        renderer.say("nothing of that is in the log")
    told = ", ".join(f"{number} {what}" for what, number in count.most_common())
    single = least == 0  # of one request or owner each line counts
    messages = [Repeated(each, each.time) for each in shown] if single else repeats.latest(limit)
    text = (*_text(messages), "", f"{sum(count.values())} in all: {told}") if shown else ()
    finish(ctx, Report([*shown], {"count": sum(count.values()), "by_event": dict(count)}, text))


def _tag(ctx: typer.Context, owner: Owner) -> str:
    """The owner's name in the log. Raises: MissingCredentials without the server's secret."""
    services = services_of(ctx)
    secret = services.resolved(services.settings.http.link_secret)
    if secret is None:
        raise MissingCredentials(
            "the log names customers by a hash with http.link_secret, which is not set here",
            hint="Set PERKIE_HTTP_LINK_SECRET to that of the server, or look for --request.",
        )
    return OwnerTags(secret.reveal().encode())(owner)


def _text(messages: Sequence[Repeated]) -> Sequence[str | Table]:
    """A table of the messages, and below it their hints, each once."""
    hints: dict[str, int] = {}
    rows = []
    for each in messages:
        text, hint = hint_apart(each.last.message)
        times = f"{each.count} times since {each.first:%Y-%m-%d %H:%M:%S}: " if each.count > 1 else ""
        note = f" [{hints.setdefault(hint, len(hints) + 1)}]" if hint else ""
        last = each.last
        rows.append((f"{last.time:%Y-%m-%d %H:%M:%S}", last.level, f"{times}{text}{note}", last.request_id or ""))
    table = Table(("time (UTC)", "level", "what", "request"), rows, prose=frozenset({"what"}))
    return [table, *([""] if hints else []), *(f"[{number}] {hint}" for hint, number in hints.items())]
