"""The options that commands over many photos share."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path, PurePath
from typing import Annotated

import typer

from perkie_cli.batch.machines.shard import Shard
from perkie_cli.batch.photos.settle import Given, Order
from perkie_cli.batch.run import ITEM_LIMIT, RunRules
from perkie_cli.batch.work import Rules
from perkie_cli.cli import options
from perkie_cli.cli.choices import cache_use, output_path
from perkie_cli.domain.errors import InvalidParameter, UsageError, codes
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import parse_duration

INPUTS, RUNS = "Many photos", "Runs"  # panels of the help


class ProgressKind(StrEnum):
    """How progress is shown."""

    AUTO = "auto"
    JSONL = "jsonl"
    NONE = "none"


class Runner(StrEnum):
    """Where outputs are made."""

    LOCAL = "local"
    RAY = "ray"


@frozen
class BatchOptions:
    """The shared options as typed. ``only``: codes of errors."""

    given: Given
    rules: Rules
    out_dir: PurePath | None
    order: Order
    jobs: int
    item_limit: float
    max_failures: int | None
    retry_failed: bool
    only: frozenset[str]
    progress: ProgressKind
    shard: Shard | None = None
    runner: Runner = Runner.LOCAL
    gpu_share: float = 1.0

    def run_rules(self, at_once: int, *, keep: bool) -> RunRules:
        """The rules of the run."""
        return RunRules(at_once, self.item_limit, self.max_failures, keep)


def _duration(text: str) -> timedelta:
    try:
        if time := parse_duration(text):
            return time
    except ValueError as error:
        raise InvalidParameter(f"--item-timeout: {error}") from error
    raise InvalidParameter(f"--item-timeout: within {text} nothing can be made")


Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT",
        show_default=False,
        help="Photos, folders, glob patterns or gs://bucket/prefix; - is a photo on stdin.",
    ),
]
FilesFrom = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", rich_help_panel=INPUTS, help="Also the photos of this list, one path a line; - is stdin."
    ),
]
Null = Annotated[
    bool,
    typer.Option("--null", "-0", rich_help_panel=INPUTS, help="The list has a NUL after each path (find -print0)."),
]
Manifest = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        rich_help_panel=INPUTS,
        help="Also the rows of this CSV or JSON Lines file: path, and if you like owner, styles, output.",
    ),
]
AllowEmpty = Annotated[
    bool, typer.Option("--allow-empty", rich_help_panel=INPUTS, help="No photos at all is not an error.")
]
OrderOf = Annotated[
    Order, typer.Option(metavar="|".join(Order), rich_help_panel=INPUTS, help="Which photos come first.")
]
SkipExisting = Annotated[
    bool,
    typer.Option("--skip-existing", rich_help_panel=RUNS, help="Leave every file that is there, whoever made it."),
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", rich_help_panel=RUNS, help="Only what failed when it was last tried.")
]
Only = Annotated[
    list[str] | None,
    typer.Option(metavar="CODE", rich_help_panel=RUNS, help="Of these, only failures with this code (repeatable)."),
]
MaxFailures = Annotated[
    int | None, typer.Option(min=1, metavar="N", rich_help_panel=RUNS, help="Stop once so many have failed.")
]
ItemTimeout = Annotated[
    timedelta | None,
    typer.Option(
        parser=_duration,
        metavar="TIME",
        rich_help_panel=RUNS,
        help="Limit for one photo and style, reading and writing included, such as 90s (default: 15m).",
    ),
]
RunnerOf = Annotated[
    Runner,
    typer.Option(
        metavar="|".join(Runner),
        rich_help_panel=RUNS,
        help="ray: on the nodes of a Ray cluster, by default on all of their processors (docs/scale.md).",
    ),
]
GpuShare = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=1,
        metavar="PART",
        rich_help_panel=RUNS,
        help="With --runner ray: the part of a GPU that each actor cutting out takes, such as 0.5 (default: 1).",
    ),
]
ProgressOf = Annotated[
    ProgressKind,
    typer.Option(
        metavar="|".join(ProgressKind),
        rich_help_panel=RUNS,
        help="jsonl: one JSON event a line on stderr, and nothing else there.",
    ),
]


def _chosen(
    *,
    inputs: Inputs = None,
    recursive: options.Recursive = False,
    files_from: FilesFrom = None,
    null: Null = False,
    manifest: Manifest = None,
    allow_empty: AllowEmpty = False,
    out_dir: options.OutDir = None,
    order: OrderOf = Order.GIVEN,
    jobs: options.Jobs = 1,
    refresh: options.Refresh = False,
    no_cache: options.NoCache = False,
    force: options.Force = False,
    skip_existing: SkipExisting = False,
    retry_failed: RetryFailed = False,
    only: Only = None,
    max_failures: MaxFailures = None,
    item_timeout: ItemTimeout = None,
    progress: ProgressOf = ProgressKind.AUTO,
    runner: RunnerOf = Runner.LOCAL,
    gpu_share: GpuShare = None,
    shard: options.ShardOf = None,
    dry_run: options.DryRun = False,
) -> BatchOptions:
    if only and not retry_failed:
        raise UsageError("--only belongs to --retry-failed")
    for code in only or ():
        if code not in (known := codes()):
            hint = f"{did_you_mean(code, known)} `perkie report show` has the codes.".strip()
            raise InvalidParameter(f"--only: there is no error {code!r}", hint=hint)
    if gpu_share is not None and runner is not Runner.RAY:
        raise UsageError("--gpu-share belongs to --runner ray")
    if skip_existing and (force or refresh):
        raise UsageError("--skip-existing excludes --force and --refresh")
    return BatchOptions(
        Given(inputs or (), recursive, files_from, null, manifest, allow_empty),
        Rules(cache_use(refresh, no_cache), force, dry_run, skip_existing),
        None if out_dir is None else output_path(out_dir),
        order,
        jobs,
        ITEM_LIMIT if item_timeout is None else item_timeout.total_seconds(),
        max_failures,
        retry_failed,
        frozenset(only or ()),
        progress,
        Shard.chosen(shard),
        runner,
        1.0 if gpu_share is None else gpu_share,
    )


batched = options.shares("batch", _chosen)


@frozen
class Paying:
    """What the run may cost, in dollars: only ``estimate`` it, never over ``budget``, ask over ``confirm_over``."""

    estimate: bool
    budget: Decimal | None
    confirm_over: Decimal | None
    yes: bool


def _paying(
    *,
    estimate: options.Estimate = False,
    budget: options.BudgetDollars = None,
    confirm_over: options.ConfirmOver = None,
    yes: options.Yes = False,
) -> Paying:
    return Paying(estimate, _exact(budget), _exact(confirm_over), yes)


def _exact(usd: float | None) -> Decimal | None:
    """Dollars as they were typed."""
    return None if usd is None else Decimal(str(usd))


paid = options.shares("paying", _paying)
