"""``perkie state``: the files of quotas, spending and outputs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import ErrorRow
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.errors import ChangesPending, PerkieError, StoreUnavailable
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from perkie_cli.bootstrap import Services
    from perkie_cli.ports import StateFile

app = typer.Typer(help="Check the files of quotas, spending and outputs.")


@frozen
class StateFileRow:
    """A file of quotas, spending or outputs: ``wrong`` if it is corrupt, ``error`` if it cannot be read at all."""

    path: Path
    holds: str
    wrong: str | None
    aside: Path | None
    error: ErrorRow | None

    @classmethod
    def of(cls, file: StateFile) -> StateFileRow:
        """The row of a file."""
        error = None if file.unread is None else ErrorRow.of(file.unread)
        return cls(file.path, file.holds, file.wrong, file.aside, error)


@app.callback()
def _group() -> None:
    """Keeps ``verify`` a sub-command: an app with a single command would be that command."""


@app.command()
def verify(
    ctx: typer.Context,
    repair: Annotated[bool, typer.Option("--repair", help="Move corrupt files aside and begin new ones.")] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Read quotas.sqlite, spend.sqlite and outputs.sqlite. Exit 8 when one is corrupt, and says what would be lost.

    The cache has a check of its own: perkie cache verify.

    Examples:

      perkie state verify

      perkie state verify --repair --yes
    """
    renderer = renderer_of(ctx)
    mend = repair and not dry_run

    async def work(services: Services) -> Report:
        found = await services.state_files.verify(repair=False)
        wrong = [each for each in found if each.wrong is not None]
        if wrong and mend:
            lost = "; ".join(each.holds for each in wrong)
            renderer.confirm(f"Move {len(wrong)} corrupt file{'s' * (len(wrong) != 1)} aside? Lost: {lost}.", yes=yes)
            found = await services.state_files.verify(repair=True)
            wrong = []
        rows = [StateFileRow.of(each) for each in found]
        return Report(rows, {}, [_line(each) for each in found], _error(found, len(wrong)))

    run(ctx, work)


def _error(found: Sequence[StateFile], wrong: int) -> PerkieError | None:
    """That of the files that cannot be read, since nobody knows about them; else that some are corrupt."""
    unread = [each.unread for each in found if each.unread is not None]
    if unread:
        return unread[0] if len(unread) == 1 else _together(unread, len(found))
    if wrong:
        hint = "`perkie state verify --repair` moves them aside; the next command begins new ones."
        return ChangesPending(f"{wrong} of {len(found)} files corrupt", hint=hint)
    return None


def _together(unread: Sequence[StoreUnavailable], files: int) -> PerkieError:
    lasting = next((each for each in unread if not each.retryable), unread[0])
    return type(lasting)(f"{len(unread)} of {files} files cannot be read", hint="Each is named with its reason.")


def _line(each: StateFile) -> str:
    if each.unread is not None:
        return each.unread.message  # begins with the path
    if each.wrong is None:
        return f"{each.path}  {'whole' if each.path.exists() else 'not there yet'}"
    if each.aside is not None:
        return f"{each.path}  moved to {each.aside}; lost: {each.holds}"
    return f"{each.path}  corrupt ({each.wrong}); it holds {each.holds}"
