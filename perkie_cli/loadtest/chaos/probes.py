"""Probes for experiments. Each returns true, or raises a sentence that says what was found instead."""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from perkie_cli.loadtest.chaos.document.arguments import seconds_of
from perkie_cli.loadtest.chaos.document.plan import TARGET
from perkie_cli.loadtest.chaos.stage import emulators
from perkie_cli.loadtest.chaos.stage.emulators import PLAN
from perkie_cli.loadtest.chaos.stage.ledger import Answer, Order
from perkie_cli.loadtest.chaos.stage.shop import Job, ask_all
from perkie_cli.loadtest.chaos.stage.stage import Stage, current, record
from perkie_cli.loadtest.hosting.processes import PERKIE

__all__ = [
    "answers",
    "breaker_is",
    "cache_is_whole",
    "calls_met",
    "degraded",
    "drawn_by",
    "ended",
    "hits",
    "metric",
    "pictures_come",
    "quota_is_exact",
    "ready",
    "refuses_connections",
]

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_POLL = 0.25  # seconds
_SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? ([\d.eE+-]+)$", re.MULTILINE)


class NotSo(Exception):
    """What was found instead of what should be."""


def ready(within: str | float = "20s") -> bool:
    """The server answers that it is ready."""
    return _until(lambda: _get(f"{current().url(TARGET)}/ready")[0] == 200, within, "the server does not get ready")


def pictures_come(count: int = 1, within: str | float = "60s", cut_out: bool = False) -> bool:
    """New photos get pictures of their pets now, in time. ``cut_out``: without their backgrounds."""
    stage = current()
    orders = [Order(stage.ledger.new_photo(), stage.ledger.new_session(), cut_out=cut_out) for _ in range(count)]
    got = _ask(stage, orders)
    return _check_all(got, seconds_of(within), refusals=())


def answers(within: str | float = "60s", refusals: Sequence[str] = ()) -> bool:
    """Every answer to the traffic was a whole picture of the pet that was sent, in time.

    ``refusals``: problems that are no failure: such as ``at_capacity``, if they say when to come again; ``refused`` and
    ``broken_off`` connections.
    """
    return _check_all(current().ledger.answers, seconds_of(within), refusals)


def hits() -> bool:
    """Pictures that were drawn before come from the cache: those in the traffic did, and one does now."""
    stage = current()
    known = stage.ledger.known()
    if not known:
        raise NotSo("nothing was drawn before")
    last = known[-1]
    _ask(stage, [replace(last.order, again=True, at=0)])
    again = [each for each in stage.ledger.answers if each.order.again]
    missed = [each for each in again if not each.hit]
    if missed:
        raise NotSo(f"{len(missed)} of {len(again)} pictures did not come from the cache: {_shown(missed[0])}")
    return _check_all(again, float("inf"), refusals=())


def drawn_by(engine: str, at_least: int = 1, share: float = 0.0) -> bool:
    """New pictures of the traffic were drawn by that engine: so many, and that share of them."""
    new = [each for each in current().ledger.answers if each.status == 200 and not each.order.again]
    drawn = sum(each.engine == engine for each in new)
    if drawn < max(at_least, share * len(new)):
        raise NotSo(f"{drawn} of {len(new)} new pictures were drawn by {engine}")
    return True


def degraded(at_least: int = 1) -> bool:
    """So many pictures were substitutes, and said so."""
    count = sum(each.degraded for each in current().ledger.answers)
    if count < at_least:
        raise NotSo(f"{count} pictures were substitutes")
    return True


def cache_is_whole() -> bool:
    """`perkie cache verify` finds nothing torn or lost in the server's cache."""
    stage = current()
    done = subprocess.run(  # noqa: S603
        [*PERKIE, "cache", "verify"], env=stage.process(TARGET).environ, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise NotSo(f"`perkie cache verify` ended with {done.returncode}: {done.stdout}{done.stderr}".strip())
    return True


def quota_is_exact(within: str | float = "45s") -> bool:
    """The server counts for each session the pictures that the client got, at most its limit, and holds no lease.

    Where the client does not know how a request ended, it may have been counted.
    """
    ledger = current().ledger
    lost = ledger.unanswered()

    def wrong() -> str | None:
        for session, got in ledger.successes().items():
            quota = _quota(session)
            leases = quota["limit"] - quota["used"] - quota["remaining"]
            if leases or not got <= quota["used"] <= min(got + lost[session], quota["limit"]):
                return f"{session} got {got} pictures and {quota['used']} are counted, {leases} reserved"
        return None

    ends = time.monotonic() + seconds_of(within)
    while (found := wrong()) is not None:
        if time.monotonic() > ends:
            raise NotSo(found)
        time.sleep(_POLL)
    return True


def breaker_is(state: str, upstream: str = "gemini", within: str | float = "1s", asking: bool = False) -> bool:
    """The breaker of an upstream gets ``closed``, ``half_open`` or ``open``. ``asking``: with new requests."""
    wanted = {"closed": 0.0, "half_open": 1.0, "open": 2.0}
    if state not in wanted:
        raise NotSo(f"{state!r} is not one of {', '.join(wanted)}")

    def reached() -> bool:
        if asking:
            stage = current()
            _ask(stage, [Order(stage.ledger.new_photo(), stage.ledger.new_session())])
        return _metric("perkie_breaker_state", {"upstream": upstream}) == wanted[state]

    return _until(reached, within, f"the breaker of {upstream} does not get {state}")


def metric(name: str, labels: dict[str, str] | None = None, at_least: float = 0, at_most: float = float("inf")) -> bool:
    """A metric of the server, summed over all labels that are not given, is in a range; 0 where it has none."""
    value = _metric(name, labels or {})
    if not at_least <= value <= at_most:
        raise NotSo(f"{name} is {value:g}")
    return True


def calls_met(emulator: str, at_least: int = 1, at_most: float = float("inf")) -> bool:
    """So many calls met the faults of an emulator: enough, and no more than protections let through."""
    met = sum(emulators.call(record.url(emulator), "GET", PLAN)["met"])
    if not at_least <= met <= at_most:
        raise NotSo(f"{met} calls met the faults of {emulator}")
    return True


def ended(process: str, code: int = 0, within: str | float = "15s") -> bool:
    """A process ends with that exit code."""
    found = current().process(process).wait(seconds_of(within))
    if found != code:
        raise NotSo(f"{process} did not end within {within}" if found is None else f"{process} ended with {found}")
    return True


def refuses_connections(process: str = TARGET, within: str | float = "2s") -> bool:
    """Nobody listens at its address, and who calls learns it at once."""
    url = current().url(process)

    def refused() -> bool:
        try:
            _OPENER.open(url, timeout=1).close()
        except urllib.error.HTTPError:
            return False
        except urllib.error.URLError as error:
            return isinstance(error.reason, ConnectionRefusedError)
        except OSError:
            return False
        return False

    return _until(refused, within, f"{process} still takes connections, or lets them hang")


# ---------------------------------------------------------------- tools


def _ask(stage: Stage, orders: Sequence[Order]) -> list[Answer]:
    got = ask_all(Job(stage.url(TARGET), str(stage.pictures), orders))
    stage.ledger.answers += got
    return got


def _check_all(got: Sequence[Answer], within: float, refusals: Sequence[str]) -> bool:
    wrong = [(each, why) for each in got if (why := _why_not(each, within, refusals))]
    if wrong:
        each, why = wrong[0]
        raise NotSo(f"{len(wrong)} of {len(got)} answers were wrong: {why} ({_shown(each)})")
    return True


def _why_not(answer: Answer, within: float, refusals: Sequence[str]) -> str | None:
    if answer.seconds > within:
        return f"after {answer.seconds:.1f} s"
    if answer.status == 200:
        from perkie_cli.loadtest.chaos.stage.likeness import why_wrong  # imports OpenCV and the engines

        return why_wrong(answer)
    if answer.problem in refusals:
        silent = answer.status != 0 and not answer.retry_after
        return f"{answer.problem} without Retry-After" if silent else None
    return answer.problem or "no picture"


def _shown(answer: Answer) -> str:
    facts = [f"status {answer.status}", answer.engine, answer.cache, f"{answer.seconds:.1f} s"]
    return ", ".join(filter(None, facts))


def _until(so: Callable[[], bool], within: str | float, otherwise: str) -> bool:
    ends = time.monotonic() + seconds_of(within)
    while not so():
        if time.monotonic() > ends:
            raise NotSo(f"{otherwise} within {within}")
        time.sleep(_POLL)
    return True


def _get(url: str) -> tuple[int, bytes]:
    """Status and body; 0 where nobody answers."""
    try:
        with _OPENER.open(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


def _quota(session: str) -> Mapping[str, Any]:
    status, body = _get(f"{current().url(TARGET)}/api/v1/quota?session_id={session}")
    if status != 200:
        raise NotSo(f"the quota of {session} cannot be read: status {status}")
    found = json.loads(body)["quota"]
    if found is None:
        raise NotSo(f"{session} is not metered")
    assert isinstance(found, dict)
    return found


def _metric(name: str, labels: Mapping[str, str]) -> float:
    status, body = _get(f"{current().url(TARGET)}/metrics")
    if status != 200:
        raise NotSo(f"the metrics cannot be read: status {status}")
    return sum(
        value for found, given, value in _samples(body.decode()) if found == name and labels.items() <= given.items()
    )


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for name, labels, value in _SAMPLE.findall(text):
        yield name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)
