"""Runs checks side by side, each for a limited time, and puts what they say in order of urgency."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from importlib import import_module

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.ops.doctor.said import Level, Said, error, failed, skipped
from perkie_cli.ports import Workers

TIME_LIMIT = 3.0  # seconds


@frozen
class Probe:
    """One check, ready to run. ``client``: the library with which it uses the network; None if it does not."""

    id: str
    run: Callable[[], Awaitable[Sequence[Said]]]
    client: str | None = None


@frozen
class Verdict:
    """What one check said; ``hung``: it did not end in time, and a thread of it may still run."""

    check: str
    said: Said
    hung: bool = False


async def examine(
    probes: Sequence[Probe], workers: Workers, *, seconds: float = TIME_LIMIT, offline: bool = False
) -> Sequence[Verdict]:
    """All verdicts, the most urgent first. ``offline`` leaves out what uses the network.

    Clients are imported before any time runs: on a cold machine that alone takes seconds.
    """
    left_out = [probe for probe in probes if offline and probe.client]
    running = [probe for probe in probes if probe not in left_out]
    for client in sorted({probe.client for probe in running if probe.client}):
        with suppress(ImportError):  # the check says so
            await workers.run(import_module, client)
    told = await asyncio.gather(*(_verdicts(probe, seconds) for probe in running))
    found = [*(each for some in told for each in some)]
    found += [Verdict(probe.id, skipped("it needs the network (--offline)")) for probe in left_out]
    return in_order(found, [probe.id for probe in probes])


def in_order(verdicts: Sequence[Verdict], ids: Sequence[str]) -> Sequence[Verdict]:
    """By level, then as in ``ids``."""
    levels = list(Level)
    return sorted(verdicts, key=lambda each: (levels.index(each.said.level), ids.index(each.check)))


async def _verdicts(probe: Probe, seconds: float) -> Sequence[Verdict]:
    try:
        async with asyncio.timeout(seconds):
            said = await probe.run()
    except TimeoutError:
        longer = f"perkie doctor --only {probe.id} --time-limit {seconds * 5:g}"
        return [Verdict(probe.id, error(f"no answer within {seconds:g} s", longer), hung=True)]
    except PerkieError as problem:
        said = [failed(problem)]
    except Exception as problem:  # noqa: BLE001  # one broken check must not hide what the others found
        text = f"the check itself failed ({type(problem).__name__}: {problem})"
        said = [error(text, "This is a bug in perkie: please report it.")]
    return [Verdict(probe.id, each) for each in said]
