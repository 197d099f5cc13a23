"""One output to make, and how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePath

from perkie_cli.batch.files import STDIO, located
from perkie_cli.batch.photos.sources import Source
from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.result import PictureFacts
from perkie_cli.domain.runs import Status


@frozen
class Job:
    """One output. ``owner``: the manifest's, if it names one. ``attempts``: of earlier runs that did not make it.

    ``died``: it was being made when the last of them was killed. ``named``: the output's name, if it is no file.
    """

    source: Source
    target: PurePath
    style: str = ""
    owner: Owner | None = None
    attempts: int = 0
    died: bool = False
    named: str = ""

    @property
    def output(self) -> str:
        """The output's unique name over all runs."""
        if self.named:
            return self.named
        return "stdout" if self.target == STDIO else located(self.target)


@frozen
class JobResult:
    """One finished job. ``facts`` of the output; ``warnings`` are in addition to those in the facts.

    ``seconds`` and ``usd`` also of a job that failed. ``via``: the way to the upstream, if it is not the usual one.
    """

    job: Job
    status: Status
    facts: PictureFacts | CutoutFacts | None = None
    warnings: Sequence[str] = ()
    error: PerkieError | None = None
    remark: str = ""
    seconds: float = 0.0
    usd: Decimal = Decimal(0)
    via: str = ""
