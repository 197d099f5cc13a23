"""What drawing in a run asks of the command line: processes, how many at once, options that fit the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.pictures.request import Fallback

if TYPE_CHECKING:
    from perkie_cli.bootstrap import Overrides, Services


def drawing_parts(jobs: int) -> Overrides:
    """Processes that draw, for more than one picture at once."""
    if jobs == 1:
        return {}
    from perkie_cli.system.processes import process_workers

    return {"drawing": process_workers(jobs)}


def at_once(services: Services, jobs: int) -> int:
    """The number of concurrent jobs. While all processes draw, one more is read, looked up or written."""
    return jobs + 1 if jobs > 1 and _draws_here(services) else jobs


def check_model(services: Services, model: str | None) -> None:
    """Raises: UsageError for a Gemini model where the local engine was chosen."""
    if model is not None and _draws_here(services):
        raise UsageError(
            "--model names a Gemini model, but the local engine was chosen",
            hint="Leave out --model, or --engine local; Gemini needs a key (GEMINI_API_KEY).",
        )


def _draws_here(services: Services) -> bool:
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
