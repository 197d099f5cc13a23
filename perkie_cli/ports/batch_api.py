"""An upstream's API for many pictures at once, at a lower price and without a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.spend import Usage

if TYPE_CHECKING:
    from perkie_cli.domain.errors import PerkieError
    from perkie_cli.domain.pictures.orders import UpstreamJob
    from perkie_cli.ports.engines import Rendering, RenderJob


@frozen
class Answered:
    """The answer to one request: a picture or why there is none, and what it cost.

    ``drawn``: it brought a picture, also one that is of no use.
    """

    rendering: Rendering | None = None
    error: PerkieError | None = None
    usage: Usage = field(default_factory=Usage)
    drawn: bool = False


class BatchApi(Protocol):
    """Jobs of many requests each: a file of JSON lines goes up, a file of JSON lines comes back.

    A line is ``{"key": …, "request": {…}}``, and ``{"key": …, "response" or "error": {…}}`` its answer. Everything that
    calls the upstream raises NotAuthorised, UpstreamFault and the other upstream errors, UsageError or InvalidParameter
    where it has no such API, and nothing is retried here.
    """

    def price(self, size: int, model: str | None = None) -> Decimal:
        """The estimated cost in dollars of one picture with that long side in px. Raises: as ``PricedEngine.price``."""

    def answer_bytes(self, size: int, model: str | None = None) -> int:
        """About how many bytes one answer takes on the wire."""

    async def check(self, model: str) -> None:
        """Asks whether the model takes batches, which costs nothing."""

    async def question(self, job: RenderJob) -> Mapping[str, Any]:
        """The request for one picture. Nothing is sent."""

    async def upload(self, path: Path, name: str) -> str:
        """Uploads a file of requests; its name upstream. ``name``: for people."""

    async def create(self, model: str, file: str, display_name: str) -> UpstreamJob:
        """Creates a job. A connection that breaks, or a 5xx, leaves open whether there is one."""

    async def jobs(self) -> Sequence[UpstreamJob]:
        """All jobs that the upstream knows, without their answers."""

    async def job(self, name: str) -> UpstreamJob | None:
        """One job; None if the upstream does not know it."""

    async def cancel(self, name: str) -> None:
        """Asks for the end of a job, which comes later."""

    async def download(self, file: str, path: Path, most: int) -> None:
        """Writes the answers to a file of at most ``most`` bytes."""

    async def answered(self, row: Mapping[str, Any], job: RenderJob) -> Answered:
        """Reads one line of answers, with all checks that a picture by a call of its own gets."""

    async def delete(self, job: str | None, files: Sequence[str]) -> None:
        """Deletes a job, if it is named, and files. What is gone already is no error."""

    async def aclose(self) -> None:
        """Frees connections."""
