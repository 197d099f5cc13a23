"""Whether an answer is good, and why not; and what it tells about the cache."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.loadtest.generator.connection import Exchange
from perkie_cli.loadtest.scenario import Call, Check
from perkie_cli.loadtest.tally import Outcome

SHOWN = 500  # characters of an answer in a report
_LIMITS = ImageLimits(min_side=100, max_side=16_384, max_pixels=100_000_000)
_HIT = re.compile(rb'"cache_hit":\s*(true|false)')
_DEGRADED = re.compile(rb'"degraded":\s*true')
_CODE = re.compile(r"[a-z_]{1,60}")
_COST = re.compile(rb'"cost_usd":\s*"?([0-9.eE+-]+)')
_DONE = re.compile(rb"(?m)^event: done\r?$")


class Verdict(NamedTuple):
    """How a request ended; ``reason`` is empty for a good answer, and equal for equal failures."""

    outcome: Outcome
    reason: str = ""


GOOD = Verdict(Outcome.OK)


def judge(exchange: Exchange, call: Call) -> Verdict:
    """The verdict, apart from whether a picture decodes."""
    if exchange.timed_out:
        return Verdict(Outcome.TIMEOUT, exchange.failure)
    if exchange.failure:
        return Verdict(Outcome.ERROR, exchange.failure)
    if exchange.status not in call.expect:
        return Verdict(Outcome.ERROR, f"status {exchange.status}{_problem(exchange)}")
    if call.check is Check.STREAM and not _DONE.search(body_of(exchange)):
        return Verdict(Outcome.ERROR, "the stream has no event done")
    return GOOD


def _problem(exchange: Exchange) -> str:
    """The code of a problem+json, such as `` at_capacity``."""
    try:
        code = json.loads(body_of(exchange))["type"].rpartition(":")[2]
    except (ValueError, AttributeError, LookupError, TypeError):
        return ""
    return f" {code}" if _CODE.fullmatch(code) else ""


def body_of(exchange: Exchange) -> bytes:
    """The body, as far as it was kept."""
    if len(exchange.body) > 1:
        exchange.body = [b"".join(exchange.body)]
    return exchange.body[0] if exchange.body else b""


def shown(exchange: Exchange) -> str:
    """The beginning of the answer for a report."""
    body = body_of(exchange)
    text = body[: SHOWN * 4].decode(errors="replace")
    printable = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
    return printable[:SHOWN]


class Facts(NamedTuple):
    """What perkie tells about its answers, in headers or JSON; numbers of pictures."""

    hits: int
    misses: int
    degraded: int
    usd: float


NOTHING = Facts(0, 0, 0, 0.0)


def facts(exchange: Exchange) -> Facts:
    """The facts of a good answer; a stream of several pictures has several."""
    if (hit := exchange.headers.get(b"x-perkie-cache-hit")) is not None:
        degraded = exchange.headers.get(b"x-perkie-degraded") == b"true"
        return Facts(hit == b"true", hit != b"true", degraded, _usd(exchange.headers.get(b"x-perkie-cost-usd", b"")))
    kind = exchange.headers.get(b"content-type", b"")
    if not kind.startswith((b"application/json", b"text/event-stream")):
        return NOTHING
    body = body_of(exchange)
    found = _HIT.findall(body)
    hits = found.count(b"true")
    usd = sum(map(_usd, _COST.findall(body)))
    return Facts(hits, len(found) - hits, len(_DEGRADED.findall(body)), usd)


def _usd(text: bytes) -> float:
    with suppress(ValueError):
        return float(text)
    return 0.0


class Pictures:
    """Decodes pictures; equal ones once. For one worker thread: decoding must not hold up the sending."""

    def __init__(self, keep: Path | None = None) -> None:
        self._known: dict[bytes, str] = {}
        self._keep = keep

    def why_not(self, body: bytes, number: int) -> str:
        """Empty for a whole picture of at least 100 px a side, else what is wrong; keeps the file if asked to."""
        digest = blake2b(body, digest_size=16).digest()
        if digest not in self._known:
            self._known[digest] = _why_not(body)
        if self._keep is not None:
            (self._keep / f"{number}.bin").write_bytes(body)
        return self._known[digest]


def _why_not(body: bytes) -> str:
    try:
        codec.decode(body, _LIMITS)
    except BadInput as error:
        return f"not a whole picture: {error.code}"
    return ""
