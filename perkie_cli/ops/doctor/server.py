"""Checks of a running server, over its own routes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import StoreUnavailable, UsageError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.secret import masked
from perkie_cli.ops.doctor.examine import Probe
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning

if TYPE_CHECKING:
    import httpx2

_BREAKER = re.compile(r'^perkie_breaker_state\{upstream="([^"]+)"\} (\d)', re.M)
_QUOTA = re.compile(r'^perkie_upstream_quota_share\{quota="([^"]+)",upstream="([^"]+)"\} (\S+)', re.M)
_CAP = re.compile(r"^perkie_spend_cap_share (\S+)", re.M)
NEARLY = 0.8
_STATES = {"1": "half-open: one call at a time is tried", "2": "open: nothing is sent upstream"}


@frozen
class Server:
    """A running server, and what goes with each request to it, such as a key."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def get(self, path: str) -> httpx2.Response:
        """Its answer. Raises: StoreUnavailable if there is none."""
        import httpx2

        async with httpx2.AsyncClient(headers=dict(self.headers)) as client:
            try:
                return await client.get(self.url + path)
            except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
                text = f"{self.url} does not answer: {problem or type(problem).__name__}"
                raise StoreUnavailable(text, hint="Start it: perkie serve; or look at its log.") from problem

    def strange(self, path: str, answer: httpx2.Response) -> Said:
        """That something else answers there."""
        place = self.url + path
        return error(f"{place} answers {answer.status_code}, and not as perkie does", f"curl -i {place}")

    def closed(self, status: int) -> Said:
        """Why its metrics were not looked at."""
        key = "perkie keys create on-call --scope metrics makes one, -H 'X-API-Key: KEY' gives it"
        return skipped(f"{self.url}/metrics answers {status}: it needs a key with the scope metrics ({key})")


async def health(its: Server, version: str) -> Sequence[Said]:
    """Whether it is alive, and of this version."""
    answer = await its.get("/health")
    found = _json(answer).get("version")
    if answer.status_code != 200 or found is None:
        return [its.strange("/health", answer)]
    if found != version:
        return [warning(f"the server is perkie {found}, this is {version}", f"pip install perkie-cli=={found}")]
    return [ok(f"alive, perkie {found}")]


async def ready(its: Server) -> Sequence[Said]:
    """Whether everything answers that it needs; what it does without is a warning."""
    answer = await its.get("/ready")
    body = _json(answer)
    needed = body.get("dependencies")
    if not isinstance(needed, dict):
        return [its.strange("/ready", answer)]
    spared = set(body.get("degraded", ()))
    breakers = body.get("breakers", {})
    said = [_dependency(name, state, spared, breakers.get(name)) for name, state in needed.items() if state != "ok"]
    if answer.status_code != 200 and not any(each.fix for each in said):
        return [error(f"the server is {body.get('status')}", f"curl -i {its.url}/ready")]
    return said or [ok(f"ready: {', '.join(needed)}")]


def _dependency(name: str, state: str, spared: set[str], breaker: Mapping[str, Any] | None) -> Said:
    text = f"{name}: {state}{_next_probe(breaker) if breaker else ''}"
    only = f" --only {_CHECKED_BY[name]}" if name in _CHECKED_BY else ""
    fix = f"perkie doctor{only}  # on the server"
    return warning(f"{text}; it works without", fix) if name in spared else error(text, fix)


def _next_probe(breaker: Mapping[str, Any]) -> str:
    wait = breaker["wait"]
    when = (
        f"passes at {datetime.fromisoformat(breaker['next_probe']):%H:%M:%S} UTC, in {wait:.0f} s"
        if wait
        else "may pass"
    )
    return f" (the next probe {when})"


_CHECKED_BY = {
    "gemini": "gemini.key,gemini.model,gemini.listed",
    "images": "cache.store,disk.space",
    "quotas": "quota.store,state.files",
    "ledger": "spend.today,state.files",
    "weights": "matting.weights",
}


async def metrics(its: Server) -> Sequence[Said]:
    """The breakers, where anybody may read the metrics."""
    answer = await its.get("/metrics")
    if answer.status_code != 200:
        return [its.closed(answer.status_code)]
    states = _BREAKER.findall(answer.text)
    fix = "perkie doctor --only gemini.key,gemini.listed  # on the server; if both are ok, it is the upstream's"
    found = [error(f"the breaker of {name} is {_STATES[state]}", fix) for name, state in states if state in _STATES]
    return found or [ok("no breaker is open")]


async def limits(its: Server) -> Sequence[Said]:
    """How much of the upstream's quota and of the day's cap is used, where anybody may read the metrics."""
    answer = await its.get("/metrics")
    if answer.status_code != 200:
        return [its.closed(answer.status_code)]
    shares = {f"{quota} of {name}": float(share) for quota, name, share in _QUOTA.findall(answer.text)}
    if (cap := _CAP.search(answer.text)) is not None:
        shares["the day's cap"] = float(cap[1])
    told = [f"{share * 100:.0f} % of {what}" for what, share in shares.items()]
    found = [
        warning(f"{share * 100:.0f} % of {what} is used", "perkie cost report  # on the server")
        for what, share in shares.items()
        if share >= NEARLY
    ]
    return found or [ok(f"used: {', '.join(told)}" if told else "no call upstream yet")]


SERVER_CHECKS: Mapping[str, tuple[str, Callable[[Server, str], Awaitable[Sequence[Said]]]]] = {
    "server.health": ("it is alive, and of this version", health),
    "server.ready": ("what it needs answers", lambda its, _: ready(its)),
    "server.metrics": ("its breakers are closed", lambda its, _: metrics(its)),
    "server.limits": ("the upstream's quota and the day's cap have room", lambda its, _: limits(its)),
}


def server_probes(its: Server, version: str, ids: Sequence[str]) -> Sequence[Probe]:
    """These checks of the server, ready to run. Raises: UsageError for what is no address."""
    if not re.match(r"https?://[^/\s]+", its.url):
        raise UsageError(f"{masked(its.url)[:100]!r} is no address of a server", hint="Such as http://127.0.0.1:8080.")
    chosen = [(each, SERVER_CHECKS[each][1]) for each in ids]
    return [Probe(name, partial(run, its, version), "httpx2") for name, run in chosen]


def _json(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
