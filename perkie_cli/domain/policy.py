"""What an error means to those who deal with it: the ladder, and whoever tries again."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cover(StrEnum):
    """Whether the degradation ladder stands in for a picture that failed so."""

    NEVER = "never"
    SETUP = "setup"  # where a request is covered for our own set-up: a customer cannot help that, an engineer can
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class Retry:
    """``attempts`` in all, the longest ``waits`` (s) before the second, third, …; ``advised``: wait as long as the
    upstream said, or do not try again.
    """

    attempts: int = 1
    waits: tuple[float, ...] = (0.0,)
    advised: bool = False
