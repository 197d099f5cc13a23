"""The single charge for work that several requests share: one of those still waiting pays it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from perkie_cli.domain.quotas.limits import Charge
from perkie_cli.services.quotas.quotas import Quotas, Reservation


class SharedCharge:
    """The requests waiting for one piece of shared work, and the reservation that one of them holds for all."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._reservation: Reservation | None = None
        self.waiting: list[Charge | None] = []

    @asynccontextmanager
    async def reserve(self, charge: Charge, seconds: float) -> AsyncIterator[Reservation]:
        """Makes a reservation, which passes to another waiter when its holder leaves.

        Raises: as ``Quotas.reserve``.
        """
        async with self._quotas.reserve(charge, seconds) as reservation:
            self._reservation = reservation
            yield reservation

    async def leave(self, charge: Charge | None) -> None:
        """Removes a request. If it held the reservation, the first other one with quota left takes it over.

        If none has quota left, it stays charged: otherwise an exhausted owner could draw for free on others' requests.
        """
        self.waiting.remove(charge)
        reservation = self._reservation
        if reservation is None or reservation.charge != charge or charge in self.waiting:
            return
        for other in tuple(self.waiting):
            if other is not None and await reservation.pass_to(other) and other in self.waiting:
                return  # otherwise that one left meanwhile, before it had a reservation to pass on


class SharedCharges:
    """One shared charge per key of shared work."""

    def __init__(self, quotas: Quotas) -> None:
        self._quotas = quotas
        self._charges: dict[Hashable, SharedCharge] = {}

    @asynccontextmanager
    async def shared(self, key: Hashable, charge: Charge | None) -> AsyncIterator[SharedCharge]:
        """Counts the request as waiting during the block."""
        shared = self._charges.setdefault(key, SharedCharge(self._quotas))
        shared.waiting.append(charge)
        try:
            yield shared
        finally:
            try:
                await shared.leave(charge)
            finally:
                if not shared.waiting and self._charges.get(key) is shared:
                    del self._charges[key]
