"""Faults on purpose: slow, refusing, resetting, down."""

from __future__ import annotations

import asyncio
import json
import random
from collections import deque
from dataclasses import asdict, dataclass, replace
from typing import Any

from perkie_cli.emulators.http_server import Request, Response, Wire
from perkie_cli.emulators.storage.errors import ApiError

CONTROL = "/_emulator/faults"


@dataclass(frozen=True, slots=True)
class Plan:
    """``latency`` in seconds; ``rate`` of requests (0 to 1) that get ``status``, or a reset where that is 0.

    ``methods``: only these are faulty; empty for all. ``retry_after`` in seconds goes with 429 and 503.
    """

    latency: float = 0.0
    status: int = 0
    rate: float = 0.0
    methods: tuple[str, ...] = ()
    retry_after: int | None = None


class Faults:
    """Decides what goes wrong. ``once`` queues outcomes for the next requests, ahead of the plan."""

    def __init__(self, plan: Plan | None = None, seed: int = 0) -> None:
        self._plan = plan or Plan()
        self._next: deque[int] = deque()
        self._dice = random.Random(seed)  # noqa: S311  # dice, no secret
        self.seen: deque[str] = deque(maxlen=10_000)

    def set(self, **changes: Any) -> None:
        """Changes the plan: ``set(status=503, rate=1)``; ``set(rate=0)`` heals."""
        self._plan = replace(self._plan, **changes)

    def once(self, *statuses: int) -> None:
        """The next requests get these statuses; 0 resets the connection, 200 lets one through."""
        self._next.extend(statuses)

    async def apply(self, request: Request, wire: Wire) -> bool:
        """True when the connection was reset and there is nobody left to answer. Raises: ApiError."""
        plan = self._plan
        self.seen.append(f"{request.method} {request.raw_path}")
        if plan.latency:
            await asyncio.sleep(plan.latency)
        status = self._next.popleft() if self._next else self._rolled(plan, request)
        if status == 0:
            wire.reset()
        elif status != 200:
            raise ApiError(status, f"injected fault {status}")
        return status == 0

    def _rolled(self, plan: Plan, request: Request) -> int:
        affected = not plan.methods or request.method in plan.methods
        return plan.status if affected and self._dice.random() < plan.rate else 200

    def control(self, request: Request) -> Response:
        """``GET`` shows the plan, ``PUT`` changes it: the JSON of ``Plan``."""
        if request.method == "PUT":
            change = json.loads(request.body or b"{}")
            if "methods" in change:
                change["methods"] = tuple(change["methods"])
            self.set(**change)
        return Response.of(asdict(self._plan))
