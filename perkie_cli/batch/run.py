"""Runs one job per input and style, so many at once; a failure never stops the rest, Ctrl-C keeps what is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import ParamSpec, TypeVar

from perkie_cli.cli.render import Renderer, Report, error_fields
from perkie_cli.domain.errors import Interrupted, PartialFailure, PerkieError
from perkie_cli.domain.units import format_duration

P = ParamSpec("P")
T = TypeVar("T")


class Status(StrEnum):
    """How one job ended."""

    DONE = "done"
    CACHED = "cached"
    SKIPPED = "skipped"
    FAILED = "failed"
    PLANNED = "planned"  # --dry-run


@dataclass(frozen=True, slots=True)
class Job:
    """One output to make."""

    source: Path
    target: Path
    style: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """One finished job."""

    job: Job
    status: Status
    facts: Mapping[str, object] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    error: PerkieError | None = None
    remark: str = ""

    def fields(self) -> dict[str, object]:
        """For the envelope."""
        fields = {
            "input": str(self.job.source),
            "output": None if self.error else str(self.job.target),
            "status": self.status.value,
            **({"style": self.job.style} if self.job.style else {}),
            **self.facts,
            "warnings": list(self.warnings),
        }
        if self.error is not None:
            fields["error"] = error_fields(self.error)
        return fields


async def run_jobs(
    jobs: Sequence[Job], work: Callable[[Job], Awaitable[JobResult]], renderer: Renderer, at_once: int
) -> Report:
    """Runs ``work`` for each job, ``at_once`` at a time, telling of each as it ends.

    Raises: UnwritableFile when stdout takes no more.
    """
    ended: dict[int, JobResult] = {}
    queue = enumerate(jobs)
    with renderer.progress(len(jobs), jobs[0].source.name if jobs else "") as bar:

        async def lane() -> None:
            for place, job in queue:
                ended[place] = result = await _guarded(work, job, renderer)
                bar.advance(job.source.name)
                _tell(renderer, result, len(jobs))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(at_once, len(jobs))):
                    group.create_task(lane())
        except asyncio.CancelledError:
            error = Interrupted(f"interrupted after {len(ended)} of {len(jobs)}; finished work is kept")
            return _report(ended, len(jobs), error)
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
    return _report(ended, len(jobs), None)


async def _guarded(work: Callable[[Job], Awaitable[JobResult]], job: Job, renderer: Renderer) -> JobResult:
    try:
        return await work(job)
    except PerkieError as error:
        return JobResult(job, Status.FAILED, error=error)
    except Exception as error:  # noqa: BLE001  # a bug that one picture meets does not cost the others theirs
        return JobResult(job, Status.FAILED, error=renderer.unexpected(error))


async def see_through(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Runs ``function`` in a thread to its end. A cancel meanwhile takes effect at the caller's next await: an output
    that is written is also recorded and reported.
    """
    task = asyncio.ensure_future(asyncio.to_thread(function, *args, **kwargs))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if (caller := asyncio.current_task()) is not None:
            caller.cancel()
        return task.result()


def _tell(renderer: Renderer, result: JobResult, total: int) -> None:
    for warning in result.warnings:
        renderer.warn(f"{result.job.source}: {warning}")
    if result.error is not None:
        if total > 1:  # a single failure is told by the report itself
            renderer.complain(result.error, str(result.job.source))
        return
    remark = f"{result.job.source} → {result.job.target} ({_remark(result)})"
    if result.status is Status.PLANNED:
        renderer.say(remark)
    else:
        renderer.result(str(result.job.target), remark)


def _remark(result: JobResult) -> str:
    took = result.facts.get("processing_time")
    parts = [result.job.style, result.remark, format_duration(took) if isinstance(took, float) else ""]
    return ", ".join(part for part in parts if part)


def _report(ended: Mapping[int, JobResult], total: int, interrupted: Interrupted | None) -> Report:
    results = [ended[place] for place in sorted(ended)]
    counts = {status.value: sum(r.status is status for r in results) for status in Status}
    failures = [r.error for r in results if r.error is not None]
    error, code = (interrupted, 0) if interrupted else summed_up(failures, total)
    return Report(
        results=[r.fields() for r in results],
        summary={"total": total, **{name: count for name, count in counts.items() if count}},
        error=error,
        exit_code=code,
    )


def summed_up(failures: Sequence[PerkieError], total: int) -> tuple[PerkieError | None, int]:
    """What a run of `total` jobs ends with, and its exit code: that of the failures where all failed alike."""
    if not failures:
        return None, 0
    if total == 1:
        return failures[0], failures[0].exit_code
    all_failed = len(failures) == total
    kinds, codes = {type(failure) for failure in failures}, {failure.exit_code for failure in failures}
    kind = kinds.pop() if all_failed and len(kinds) == 1 else PartialFailure
    code = codes.pop() if all_failed and len(codes) == 1 else PartialFailure.exit_code
    return kind(f"{len(failures)} of {total} failed", hint="Each is named with its reason."), code
