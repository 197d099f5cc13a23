"""A request for one picture in one style: the same value behind the CLI and HTTP."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import ANONYMOUS, Owner

if TYPE_CHECKING:
    from perkie_cli.domain.money.spend import Budget
    from perkie_cli.domain.photo import Photo
    from perkie_cli.domain.pictures.style import BackgroundUse
    from perkie_cli.domain.quotas.limits import Charge


class CacheUse(StrEnum):
    """How a request may use the cache."""

    NORMAL = "normal"
    REFRESH = "refresh"  # do not read, but write
    OFF = "off"  # neither read nor write


class Fallback(StrEnum):
    """Steps of the degradation ladder that a request allows."""

    CACHE = "cache"  # an older recipe or model of the same picture
    LOCAL = "local"  # the local engine's rendering of the customer's own pet


@frozen
class GenerateRequest:
    """One photo, one style.

    ``engine`` is ``auto``, ``gemini`` or ``local``, ``size`` the long side in px; None uses the settings.
    ``background`` is for the local engine; None uses the style's. ``deadline`` is in seconds, None for the engine's
    usual time; it runs from ``since`` (on the monotonic clock), or from when the picture is planned. ``budget`` is
    shared by all requests of a run. ``cover_setup``: the ladder also covers missing or refused credentials and a
    configured model that was shut down: a customer cannot fix these, while an engineer should see the error.
    """

    photo: Photo
    style: str
    owner: Owner = ANONYMOUS
    engine: str | None = None
    model: str | None = None
    size: int | None = None
    remove_background: bool = False
    background: BackgroundUse | None = None
    cache: CacheUse = CacheUse.NORMAL
    fallback: frozenset[Fallback] = frozenset(Fallback)
    cover_setup: bool = True
    deadline: float | None = None
    since: float | None = None
    budget: Budget | None = None
    charge: Charge | None = None  # the quota counters to charge; None: unmetered
    wait_for_quota: bool = False  # wait for the upstream's quota instead of failing
    overtime: float = 0.0  # seconds that a substitute may take after the deadline: late is better than nothing

    @property
    def spender(self) -> Owner:
        """Whose spending it is: that of whoever asks, and nobody's where nobody asked, as in warming."""
        return ANONYMOUS if self.charge is None else self.charge.owner
