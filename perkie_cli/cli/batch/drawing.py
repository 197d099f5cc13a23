"""How pictures are drawn and paid in a run: the same for ``stylize`` and ``process``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from perkie_cli.batch.jobs import Job
from perkie_cli.batch.pictures import PictureMaker
from perkie_cli.batch.work import Maker
from perkie_cli.cli import options
from perkie_cli.cli.batch.command import BatchCommand
from perkie_cli.cli.batch.estimate import Estimating
from perkie_cli.cli.batch.options import BatchOptions
from perkie_cli.cli.models.checkpoints import ensure_weights
from perkie_cli.cli.render import Report
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.pictures.request import Fallback, GenerateRequest
from perkie_cli.domain.pictures.style import BackgroundUse

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Overrides, Services

OVERTIME = 20.0  # seconds after --deadline in which the local engine may still finish: late is better than nothing


@dataclass(frozen=True, slots=True)
class Drawing:
    """How pictures are drawn: the options that apply to every job.

    ``fallback`` None depends on the number of inputs: a batch can be run again later, so it should not be filled with
    substitutes.
    """

    format: ImageFormat
    owner: Owner
    model: str | None
    fallback: frozenset[Fallback] | None
    deadline: float | None
    remove_background: bool
    background: BackgroundUse | None

    def check(self, services: Services) -> None:
        """Raises: UsageError for a Gemini model where the local engine was chosen."""
        if self.model is not None and draws_here(services):
            raise UsageError(
                "--model names a Gemini model, but the local engine was chosen",
                hint="Leave out --model, or --engine local; Gemini needs a key (GEMINI_API_KEY).",
            )

    def steps(self, photos: int) -> frozenset[Fallback]:
        """The substitutes that are allowed for a run over that many photos."""
        if self.fallback is not None:
            return self.fallback
        return frozenset(Fallback) if photos < 2 else frozenset()

    def maker(self, services: Services, batch: BatchOptions, steps: frozenset[Fallback], jobs: int) -> PictureMaker:
        """Draws each job. A batch without substitutes waits for the upstream's quota."""

        def request(photo: Photo, job: Job, purse: Budget | None) -> GenerateRequest:
            owner = job.owner or self.owner
            return GenerateRequest(
                photo,
                job.style,
                owner,
                model=self.model,
                remove_background=self.remove_background,
                background=self.background,
                cache=batch.rules.cache,
                fallback=steps,
                cover_setup=False,
                deadline=self.deadline,
                overtime=OVERTIME,
                wait_for_quota=jobs > 1 and not steps,
                budget=purse,
                charge=services.quota_limits.charge(owner),
            )

        return PictureMaker(services.generate, services.workers, request, self.format)


@dataclass(frozen=True, slots=True)
class Paying:
    """What the run may cost, in dollars: only ``estimate`` it, never over ``budget``, ask over ``confirm_over``."""

    estimate: bool
    budget: float | None
    confirm_over: float | None
    yes: bool


def _paying(
    *,
    estimate: options.Estimate = False,
    budget: options.BudgetDollars = None,
    confirm_over: options.ConfirmOver = None,
    yes: options.Yes = False,
) -> Paying:
    return Paying(estimate, budget, confirm_over, yes)


paid = options.shares("paying", _paying)


async def drawn(
    command: BatchCommand,
    drawing: Drawing,
    paying: Paying,
    jobs: Sequence[Job],
    maker: Maker,
    steps: frozenset[Fallback],
) -> Report:
    """Draws the jobs, or estimates them. Raises: UsageError without consent to the cost."""
    services, batch = command.services, command.options
    work = command.work(maker)
    estimating = Estimating(services, work, services.generate.price(model=drawing.model))
    if paying.estimate:
        return await estimating.report(jobs)
    if paying.confirm_over is not None:
        await estimating.confirm(command.renderer, jobs, exact(paying.confirm_over), yes=paying.yes)
    if drawing.remove_background and not batch.rules.dry_run:
        await ensure_weights(services, command.renderer, required=Fallback.LOCAL not in steps)
    budget = None if paying.budget is None else Budget(exact(paying.budget))
    return await command.run(jobs, work, at_once(services, batch.jobs), budget)


def exact(usd: float) -> Decimal:
    """Dollars as they were typed."""
    return Decimal(str(usd))


def drawing_parts(jobs: int) -> Overrides:
    """Processes that draw, for more than one picture at once."""
    if jobs == 1:
        return {}
    from perkie_cli.system.processes import process_workers

    return {"drawing": process_workers(jobs)}


def at_once(services: Services, jobs: int) -> int:
    """The number of concurrent jobs. While all processes draw, one more is read, looked up or written."""
    return jobs + 1 if draws_here(services) and jobs > 1 else jobs


def draws_here(services: Services) -> bool:
    """Whether the local engine was chosen."""
    return services.generate.engine().name == "local"


def parse_fallback(names: str | None) -> frozenset[Fallback] | None:
    """The steps named by ``--fallback``. Raises: InvalidParameter."""
    if names is None:
        return None
    words = [word.strip() for word in names.split(",") if word.strip()]
    try:
        return frozenset() if words == ["none"] else frozenset(Fallback(word) for word in words)
    except ValueError:
        raise InvalidParameter(
            f"{names!r} is not a fallback", hint="Use none, cache, local or cache,local with --fallback."
        ) from None
