"""``perkie keys``: the file of a server's API keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.complete import among
from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter, NotFound, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.units import parse_moment

if TYPE_CHECKING:
    from perkie_cli.auth.api_keys import ApiKey
    from perkie_cli.bootstrap import Services

app = typer.Typer(help="Make, list and revoke API keys of a server.")

SCOPES = ("generate", "matting", "storage", "metrics", "act-as", "no-rate-limit")
RELOADED = "servers that read this file know within a minute; SIGHUP tells them at once"

KeyFile = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="The file of keys (default: http.api_keys).")
]


@frozen
class ApiKeyRow:
    """An API key. ``key`` is the key itself, which only the run that made it knows; ``used``: when it was last used, as
    the configured store of quotas knows.
    """

    name: str
    id: str
    scopes: Sequence[str]
    valid: bool
    created: datetime | None
    expires: datetime | None
    used: datetime | None = None
    key: str | None = None


@app.command()
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold it; log lines bear this name.")],
    scope: Annotated[
        list[str],
        typer.Option(
            "--scope",
            metavar="|".join(SCOPES),
            help="What it permits; may be given several times.",
            autocompletion=among(SCOPES),
        ),
    ],
    expires: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="When it ends, such as 90d or 2027-06-30 (default: when it is revoked)."),
    ] = None,
    file: KeyFile = None,
) -> None:
    """Make a key and print it, this once: the file keeps only its hash.

    To change a key without an outage, create a second one of the same name, give it to the clients, and revoke the old
    one once `perkie keys list` shows that nobody uses it.

    Examples:

      perkie keys create storefront --scope generate --scope matting --expires 180d

      perkie keys create grafana --scope metrics --file /etc/perkie/keys.toml
    """

    async def work(services: Services) -> Report:
        from perkie_cli.auth.key_file import with_new_key

        path, now = _path(services, file), services.clock.now()
        async with services.locks.hold(f"keys:{path}"):
            made = with_new_key(_text(path, new=True), path, name, scope, now, _expiry(expires, now))
            _write(path, made.text)
        _record(services, "keys.create", path, made.key)
        renderer_of(ctx).say(f"{made.key.id} was added to {path}; {RELOADED}. The key is shown only now:")
        return Report([_row(made.key, now, {}, made.secret)], {"file": path}, [made.secret])

    run(ctx, work)


@app.command("list")
def list_(ctx: typer.Context, file: KeyFile = None) -> None:
    """List the keys: names, scopes, when they end and when they were last used.

    Uses are known for servers that share the configured store of quotas.

    Examples:

      perkie keys list

      perkie keys list --file /etc/perkie/keys.toml --json
    """

    async def work(services: Services) -> Report:
        path, now = _path(services, file), services.clock.now()
        keys = _read(path)
        used = await services.key_uses.last([key.id for key in keys])
        rows = [_row(key, now, used) for key in keys]
        columns = ("NAME", "ID", "STATE", "SCOPES", "CREATED", "EXPIRES", "LAST USED")
        table = Table(columns, [_cells(row) for row in rows], prose=frozenset({"SCOPES"}))
        return Report(rows, {"file": path, "count": len(rows)}, [table] if rows else ["no keys"])

    run(ctx, work)


@app.command()
def revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The key's name.")],
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="Which one, if it has several.")] = None,
    file: KeyFile = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Take a key out of the file: servers refuse it from then on. Requests in progress are finished.

    Examples:

      perkie keys revoke storefront --id 3f5a0c7e9b12

      perkie keys revoke grafana --dry-run
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        from perkie_cli.auth.key_file import without_key

        path, now = _path(services, file), services.clock.now()
        key = _chosen(_read(path), name, id_)
        row = _row(key, now, await services.key_uses.last([key.id]))
        said = f"last used {_time(row.used)}" if row.used is not None else "no use is known"
        if dry_run:
            return Report([row], {"file": path, "dry_run": True}, [f"would revoke {name} {key.id} ({said})"])
        renderer.confirm(f"Revoke {name} {key.id} ({said})?", yes=yes)
        async with services.locks.hold(f"keys:{path}"):
            _chosen(_read(path), name, key.id)  # another run may have revoked it meanwhile
            _write(path, without_key(_text(path), path, key))
        _record(services, "keys.revoke", path, key)
        return Report([row], {"file": path}, [f"{name} {key.id} is revoked; {RELOADED}"])

    run(ctx, work)


def _path(services: Services, file: Path | None) -> Path:
    path = file or services.settings.http.api_keys
    if path is None:
        raise UsageError("no file of API keys is set", hint="Give --file, or set http.api_keys (PERKIE_HTTP_API_KEYS).")
    return path


def _text(path: Path, *, new: bool = False) -> str:
    """``new``: a file that is not there yet is empty."""
    from perkie_cli.auth.api_keys import read_keys

    if new and not path.exists():
        return ""
    read_keys(path)  # names what cannot be read
    return path.read_text("utf-8")


def _read(path: Path) -> list[ApiKey]:
    from perkie_cli.auth.api_keys import read_keys

    return read_keys(path)


def _write(path: Path, text: str) -> None:
    """Whole, by a rename: a server that reads it meanwhile sees the old file or the new one."""
    from perkie_cli.batch.files import write_private

    write_private(path, text.encode())


def _chosen(keys: Sequence[ApiKey], name: str, id_: str | None) -> ApiKey:
    found = [key for key in keys if key.name == name and (id_ is None or key.id.startswith(id_))]
    if not found:
        known = ", ".join(sorted({key.name for key in keys})) or "none"
        raise NotFound(f"no key {name!r}{f' with the id {id_}' if id_ else ''}", hint=f"There are: {known}.")
    if len(found) > 1:
        raise UsageError(
            f"{name!r} has {len(found)} keys: {', '.join(key.id for key in found)}",
            hint="Say which one with --id; `perkie keys list` shows when each was last used.",
        )
    return found[0]


def _expiry(text: str | None, now: datetime) -> datetime | None:
    """``90d`` from now, or a date or time, in UTC unless it says otherwise."""
    if text is None:
        return None
    try:
        return parse_moment(text, now, ahead=True).replace(microsecond=0)
    except ValueError:
        raise InvalidParameter(
            f"--expires: {text!r} is neither a duration such as 90d nor a date such as 2027-06-30"
        ) from None


def _record(services: Services, action: str, path: Path, key: ApiKey) -> None:
    from perkie_cli.domain.events import Audited
    from perkie_cli.telemetry.audit import current_actor

    services.events.emit(
        Audited(action, str(path), current_actor(), f"{key.name} {key.id}: {', '.join(sorted(key.scopes))}")
    )


def _row(key: ApiKey, now: datetime, used: Mapping[str, datetime], secret: str | None = None) -> ApiKeyRow:
    return ApiKeyRow(
        name=key.name,
        id=key.id,
        scopes=sorted(key.scopes),
        valid=not key.expired(now),
        created=key.created,
        expires=key.expires,
        used=used.get(key.id),
        key=secret,
    )


def _cells(row: ApiKeyRow) -> tuple[str, ...]:
    state = "valid" if row.valid else "expired"
    return (
        row.name,
        row.id,
        state,
        ", ".join(row.scopes),
        *(_time(each) for each in (row.created, row.expires, row.used)),
    )


def _time(time: datetime | None) -> str:
    return "-" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"
