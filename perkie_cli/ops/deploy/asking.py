"""Asks a revision itself whether it answers: one that is gone writes no metrics that could say so."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.deploy.gate import Counts

if TYPE_CHECKING:
    import httpx2

TIMEOUT = 5.0  # seconds


class Asker:
    """Counts answers of ``/health`` by address; a connection of its own for each, and 5xx is no answer."""

    def __init__(self) -> None:
        self._made: httpx2.AsyncClient | None = None
        self._counts: dict[str, Counts] = {}

    async def ask(self, address: str) -> Counts:
        """Asks once more; all counts so far. Without an address there are none."""
        if not address:
            return Counts()
        answered = await self._answers(address)
        self._counts[address] = self._counts.get(address, Counts()) + Counts(not answered, 1)
        return self._counts[address]

    async def _answers(self, address: str) -> bool:
        import httpx2

        if self._made is None:
            self._made = httpx2.AsyncClient(timeout=TIMEOUT, headers={"Connection": "close"})
        try:
            return (await self._made.get(f"{address}/health")).status_code < 500
        except httpx2.HTTPError:
            return False

    def forget(self) -> None:
        """Counts from 0 again."""
        self._counts.clear()

    async def aclose(self) -> None:
        """Closes the client."""
        if self._made is not None:
            await self._made.aclose()
