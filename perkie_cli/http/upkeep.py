"""What a server does beside requests: it reads credentials again that have changed, and notes when keys were used."""

from __future__ import annotations

import asyncio
import logging

from perkie_cli.domain.errors import PerkieError
from perkie_cli.http.parts import Parts
from perkie_cli.system.waiting import alongside, first_of

log = logging.getLogger("perkie.http")
EVERY = 5.0  # seconds


class Upkeep:
    """Looks at the files now and then, and when told to: nobody sends signals to a container whose platform has changed
    a mounted secret.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hung_up = asyncio.Event()
        self._not_noted = False

    def hang_up(self) -> None:
        """Has the credentials read again at once, as SIGHUP asks for."""
        self._hung_up.set()

    async def run(self) -> None:
        """Works until it is cancelled, and then notes the last uses."""
        try:
            while True:
                await self._pause()
                if self._hung_up.is_set() or await asyncio.to_thread(self._parts.credentials.changed):
                    self._hung_up.clear()
                    await self._note_uses()  # the new keys know nothing of the old ones' uses
                    await self._reload()
                await self._note_uses()
        finally:
            await self._note_uses()

    async def _pause(self) -> None:
        async with alongside(self._hung_up.wait()) as told:
            await first_of(told, seconds=EVERY)

    async def _reload(self) -> None:
        """A file that is broken now changes nothing."""
        parts = self._parts
        try:
            await asyncio.to_thread(parts.credentials.reload)
        except PerkieError as error:
            hint = f" ({error.hint})" if error.hint else ""
            log.warning("the credentials in force stay, the new ones cannot be used: %s%s", error.message, hint)
            return
        keys = parts.authenticator.keys
        log.info("credentials were read again%s", f"; API keys: {', '.join(keys.names)}" if keys is not None else "")

    async def _note_uses(self) -> None:
        """A store that is down costs these notes only; that is said once."""
        keys = self._parts.authenticator.keys
        if keys is None or not (uses := keys.take_uses()):
            return
        try:
            await self._parts.services.key_uses.note(uses)
        except PerkieError as error:
            if not self._not_noted:
                log.warning("the last uses of API keys are not noted: %s", error.message)
            self._not_noted = True
        else:
            self._not_noted = False
