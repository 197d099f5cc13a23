"""How an error is handled: whether the ladder catches it and whether it is retried."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.frozen import frozen


class Cover(StrEnum):
    """When the degradation ladder replaces a picture that failed with this error."""

    NEVER = "never"
    SETUP = "setup"  # only for requests with ``cover_setup``: a customer cannot fix our set-up, an engineer can
    ALWAYS = "always"


@frozen
class Retry:
    """``attempts``: the maximum, the first included. ``waits``: maximum seconds before the second, third, … attempt.
    ``advised``: wait as long as the upstream says, or do not retry if it says nothing.
    """

    attempts: int = 1
    waits: tuple[float, ...] = (0.0,)
    advised: bool = False
