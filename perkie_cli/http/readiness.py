"""What a server depends on: checked before it starts, at ``/ready``, and told in the log when it changes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from perkie_cli.bootstrap import Services
from perkie_cli.domain.errors import (
    InvalidParameter,
    InvalidSetting,
    MissingCredentials,
    PerkieError,
    RetiredModel,
    StoreFull,
    WrongCredentials,
)
from perkie_cli.domain.frozen import frozen
from perkie_cli.ports import NextProbe

log = logging.getLogger("perkie.http")
PING_WITHIN = 2.0  # seconds
_START_WITHIN = 5.0  # seconds: what hangs is no reason not to start
_OK, _TIMEOUT = "ok", "timeout"
_WRONG_SETTINGS = (InvalidSetting, InvalidParameter, MissingCredentials, WrongCredentials)

Ping = Callable[[], Awaitable[object]]


@frozen
class Dependency:
    """A dependency of a role.

    ``required``: without it the server is not ready; without others it serves less. ``vital``: a server that lacks it
    for a reason that no waiting mends does not start. ``at_start``: the check before the start, if it is not ``ping``.
    ``next_probe`` is that of an upstream's breaker, if it is not closed.
    """

    name: str
    ping: Ping
    required: bool = False
    vital: bool = False
    at_start: Ping | None = None
    next_probe: Callable[[], NextProbe | None] | None = None


def dependencies(services: Services, role: str) -> list[Dependency]:
    """The role's dependencies. A store that is down only causes warnings, unless quotas are set to refuse then."""
    needed = [Dependency("images", services.blobs.ping)]
    if role != "matting":
        denies = services.settings.quota.when_down == "deny"
        needed.append(Dependency("quotas", services.documents.ping, required=denies, vital=denies))
        if services.generate.engine().name == "gemini":
            gemini = services.gemini
            needed.append(
                Dependency(
                    "gemini",
                    gemini.ping,
                    vital=True,
                    at_start=gemini.check_settings,
                    next_probe=gemini.guard.breaker.next_probe,
                )
            )
            needed.append(Dependency("ledger", services.ledger.ping, vital=True))
    if services.matting_choice.meant() == "remote":
        matting = services.remote_matting
        needed.append(Dependency("matting", matting.ping, next_probe=matting.guard.breaker.next_probe))
    cutouts = services.cutout_readiness
    if cutouts.needs_weights:
        alone = role == "matting"
        needed.append(Dependency("weights", cutouts.check_weights, required=alone, vital=alone))
    return needed


async def outcome(ping: Ping, seconds: float = PING_WITHIN) -> PerkieError | str:
    """``ok``, ``timeout``, or the error."""
    try:
        async with asyncio.timeout(seconds):
            await ping()
    except TimeoutError:
        return _TIMEOUT
    except PerkieError as error:
        return error
    return _OK


async def check_start(services: Services, role: str) -> None:
    """Checks that this server could serve, from its own settings, files and stores.

    What another party may mend meanwhile is no reason: a restart must not turn substitutes into an outage. So a model
    that was shut down, a full disk, an upstream or a store that does not answer lets it start.

    Raises: the error that no waiting mends.
    """
    services.cutouts.engine()  # Raises: UsageError for a name that neither perkie nor models.toml knows
    if role != "matting" and (broken := services.styles.broken):
        raise broken[0].error
    needed = dependencies(services, role)
    outcomes = await asyncio.gather(*(outcome(each.at_start or each.ping, _START_WITHIN) for each in needed))
    for each, found in zip(needed, outcomes, strict=True):
        if isinstance(found, PerkieError) and _prevents_start(each, found):
            raise found


def _prevents_start(dependency: Dependency, error: PerkieError) -> bool:
    if isinstance(error, RetiredModel | StoreFull):
        return False
    return isinstance(error, _WRONG_SETTINGS) or (dependency.vital and not error.retryable)


class Readiness:
    """Pings the dependencies of a server, and logs each change once, with what to do about it."""

    def __init__(self, services: Services, role: str) -> None:
        self._services = services
        self._role = role
        self._last: dict[str, str] = {}
        self._told: dict[str, str] = {}

    async def look(self) -> Mapping[Dependency, str]:
        """Each dependency with ``ok``, ``timeout`` or the code of its error."""
        needed = dependencies(self._services, self._role)
        outcomes = await asyncio.gather(*(outcome(each.ping) for each in needed))
        for each, found in zip(needed, outcomes, strict=True):
            self._tell(each.name, found)
        return {each: _code(found) for each, found in zip(needed, outcomes, strict=True)}

    def _tell(self, name: str, found: PerkieError | str) -> None:
        """Logs a change. The first timeout in a row may be an import: it is not told."""
        before, now = self._told.get(name, _OK), _code(found)
        first_timeout = now == _TIMEOUT and self._last.get(name) != _TIMEOUT
        self._last[name] = now
        if before == now or first_timeout:
            return
        self._told[name] = now
        if now == _OK:
            log.info("%s: ok again", name)
        elif isinstance(found, PerkieError):
            log.warning("%s: %s: %s%s", name, now, found.message, f" ({found.hint})" if found.hint else "")
        else:
            log.warning("%s: no answer within %g s", name, PING_WITHIN)


def _code(found: PerkieError | str) -> str:
    return found if isinstance(found, str) else found.code
