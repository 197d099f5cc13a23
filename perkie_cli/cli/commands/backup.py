"""``perkie backup``: copies of the state folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Renderer, Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.cli.table import Table
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.units import format_size

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.ports import Backup, CopiedFile

app = typer.Typer(help="Copy the state files while they are in use, check copies and restore them.")

BackupPath = Annotated[Path, typer.Argument(metavar="BACKUP", help="The folder that `perkie backup create` named.")]


@app.command()
def create(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Where the backup gets a folder of its own.")],
    keep: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Then remove all but the newest N backups there.")
    ] = None,
) -> None:
    """Copy quotas, spending, records of outputs and runs, and audit records; servers and commands may run meanwhile.

    Pictures are not copied: a cache may be lost. What is kept in Firestore has backups there, see docs/backups.md.

    Examples:

      perkie backup create /var/backups/perkie

      perkie backup create /var/backups/perkie --keep 14 --quiet
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        made = await services.backups.create(folder)
        removed = await services.backups.remove_all_but(folder, keep) if keep is not None else []
        if remote := _in_firestore(services):
            renderer.warn(f"not copied, since Firestore has it: {remote}; docs/backups.md has the commands")
        summary = {"path": made.path, "made": made.made, "removed": [*removed]}
        if not made.files:
            renderer.warn(f"there is nothing in {services.state_dir} to copy yet")
        return Report(made.files, summary, [str(made.path)])

    run(ctx, work)


@app.command()
def check(ctx: typer.Context, backup: BackupPath) -> None:
    """Read all of a backup and compare it with what was written down when it was made. Exit 9 if it is damaged.

    Examples:

      perkie backup check backups/perkie-20261130T030000Z
    """

    async def work(services: Services) -> Report:
        found = await services.backups.check(backup)
        return Report(found.files, {"path": found.path, "made": found.made}, [_table(found)])

    run(ctx, work)


@app.command()
def restore(
    ctx: typer.Context,
    backup: BackupPath,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="FILE", help="Only this file, such as quotas.sqlite.")
    ] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Replace the state files by those of a backup, after a check. What was there is backed up first.

    Servers may run: each file changes in one transaction. What was used and spent since the backup is forgotten, so
    customers and the daily cap get it once more.

    Examples:

      perkie backup restore backups/perkie-20261130T030000Z --dry-run

      perkie backup restore backups/perkie-20261130T030000Z --only quotas.sqlite
    """
    renderer = renderer_of(ctx)

    async def work(services: Services) -> Report:
        found = await services.backups.check(backup)
        names = _chosen(found, only, services.backups.names, renderer)
        files = [file for file in found.files if file.name in names]
        summary = {"path": found.path, "made": found.made}
        if dry_run:
            lines = [f"would restore {file.name} of {found.made:%Y-%m-%d %H:%M} UTC ({_rows(file)})" for file in files]
            return Report(files, {**summary, "dry_run": True}, lines)
        question = f"Restore {', '.join(sorted(names))} of {found.made:%Y-%m-%d %H:%M} UTC into {services.state_dir}?"
        renderer.confirm(question, yes=yes)
        before = await services.backups.restore(backup, names)
        renderer.say(f"what was there before: {before.path}")
        return Report(files, {**summary, "before": before.path}, [_table(found, names)])

    run(ctx, work)


def _chosen(found: Backup, only: list[str] | None, known: frozenset[str], renderer: Renderer) -> frozenset[str]:
    """The files to restore; those of another version stay out."""
    held = [file.name for file in found.files if file.name in known]
    if unknown := sorted(set(only or ()) - set(held)):
        raise InvalidParameter(
            f"--only: the backup has no {unknown[0]!r} that this perkie knows", hint=f"It holds: {', '.join(held)}."
        )
    if others := [file.name for file in found.files if file.name not in known]:
        renderer.warn(
            f"left out, since only the perkie {found.version} that made the backup knows it: {', '.join(others)}"
        )
    return frozenset(only or held)


def _table(backup: Backup, names: frozenset[str] | None = None) -> Table:
    files = [file for file in backup.files if names is None or file.name in names]
    cells = [(file.name, _rows(file), format_size(file.size)) for file in files]
    return Table(("FILE", "HOLDS", "SIZE"), cells, numeric=frozenset({"SIZE"}))


def _rows(file: CopiedFile) -> str:
    return ", ".join(f"{count} {name}" for name, count in file.rows.items()) or "nothing"


def _in_firestore(services: Services) -> str:
    """What is not in the state folder, and so not in its backup."""
    settings = services.settings
    kept = [("quotas", settings.quota.store), ("spending", settings.gemini.ledger)]
    return " and ".join(what for what, store in kept if store == "firestore")
