"""What a request for one picture in one style says: the same value behind the CLI and HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perkie_cli.domain.money.spend import Budget
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.photo import Photo
from perkie_cli.domain.pictures.style import BackgroundUse
from perkie_cli.domain.quotas.limits import Charge


class CacheUse(StrEnum):
    """What the cache may do for a request."""

    NORMAL = "normal"
    REFRESH = "refresh"  # do not read, but write
    OFF = "off"  # neither read nor write


class Fallback(StrEnum):
    """Steps of the degradation ladder that a request allows."""

    CACHE = "cache"  # an older recipe or model of the same picture
    LOCAL = "local"  # the local engine's rendering of the customer's own pet


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """One photo, one style.

    ``engine`` is ``auto``, ``gemini`` or ``local``, ``size`` the long side in px; None is what the settings say.
    ``background`` is for the local engine; None is what the style says.
    ``deadline`` is in seconds, None for the engine's usual time; ``budget`` is what the run that this request is part
    of may spend; ``cover_setup``: the ladder also covers for credentials that are missing or refused, and for a
    configured model that has retired, which a customer cannot help, but an engineer should be told of.
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
    budget: Budget | None = None
    charge: Charge | None = None  # the quota counters that it touches; None: unmetered
    patient: bool = False  # rather wait for the upstream's quota, as long as it takes, than go without
    overtime: float = 0.0  # seconds past the deadline that a substitute may take: late is better than nothing
