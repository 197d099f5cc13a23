"""``perkie state``: the files of quotas, spending and outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from perkie_cli.cli.options import DryRun, Yes
from perkie_cli.cli.render import Report
from perkie_cli.cli.session import renderer_of, run
from perkie_cli.domain.errors import ChangesPending

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Services
    from perkie_cli.ports import StateFile

app = typer.Typer(help="Check the files of quotas, spending and outputs.")


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
        pending = ChangesPending(
            f"{len(wrong)} of {len(found)} files corrupt",
            hint="`perkie state verify --repair` moves them aside; the next command begins new ones.",
        )
        return Report(found, {}, [_line(each) for each in found], pending if wrong else None)

    run(ctx, work)


def _line(each: StateFile) -> str:
    if each.wrong is None:
        return f"{each.path}  {'whole' if each.path.exists() else 'not there yet'}"
    if each.aside is not None:
        return f"{each.path}  moved to {each.aside}; lost: {each.holds}"
    return f"{each.path}  corrupt ({each.wrong}); it holds {each.holds}"
