"""What an experiment may run without being asked: HTTP to this machine, and perkie's own actions and probes.

Any other python provider imports and calls any module, a process provider runs any program.
"""

from __future__ import annotations

import importlib
import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.loadtest.chaos.document.source import Place, Source

PROVIDERS = ("http", "process", "python")
OWN = ("perkie_cli.loadtest.chaos.actions", "perkie_cli.loadtest.chaos.probes")
_FLAG = "Run it with --allow-providers {} if you trust the file."


def providers_of(text: str) -> frozenset[str]:
    """Reads ``process,python``. Raises: InvalidParameter."""
    named = frozenset(filter(None, (each.strip() for each in text.split(","))))
    if unknown := named - set(PROVIDERS):
        known = f"Known: {', '.join(PROVIDERS)}."
        raise InvalidParameter(f"--allow-providers: {min(unknown)!r} is not a kind of provider", hint=known)
    return named


def activities(document: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    """Everything that can run, with its place: probes, tolerances, actions, rollbacks, computed configuration."""
    for place, each in _declared(document):
        yield place, each
        tolerance = each.get("tolerance") if isinstance(each, Mapping) else None
        if isinstance(tolerance, Mapping) and tolerance.get("type") == "probe":
            yield (*place, "tolerance"), tolerance


def _declared(document: Mapping[str, Any]) -> Iterator[tuple[Place, Any]]:
    hypothesis = document.get("steady-state-hypothesis") or {}
    for place, rows in (
        (("steady-state-hypothesis", "probes"), hypothesis.get("probes")),
        (("method",), document.get("method")),
        (("rollbacks",), document.get("rollbacks")),
    ):
        yield from (((*place, number), each) for number, each in enumerate(rows or ()))
    for key, value in (document.get("configuration") or {}).items():
        if isinstance(value, Mapping) and value.get("type") == "probe":
            yield ("configuration", key), value


def controls(document: Mapping[str, Any]) -> Iterator[Place]:
    """Where controls are declared: they import modules."""
    holders: list[tuple[Place, Any]] = [((), document), *_declared(document)]
    holders.append((("steady-state-hypothesis",), document.get("steady-state-hypothesis")))
    for place, holder in holders:
        if isinstance(holder, Mapping) and holder.get("controls"):
            yield (*place, "controls")


def check_providers(source: Source, allowed: frozenset[str], known: Mapping[str, Any]) -> None:
    """Refuses what needs a flag that was not given. ``known``: the values of ``${…}`` in addresses.

    Raises: InvalidParameter with the line and the field.
    """
    for place, activity in activities(source.document):
        provider = activity.get("provider") if isinstance(activity, Mapping) else None
        if isinstance(provider, Mapping):
            _check(source, (*place, "provider"), provider, allowed, known)
    if "python" not in allowed:
        for place in controls(source.document):
            raise source.wrong(place, "controls import modules, so it needs leave", _FLAG.format("python"))
    if "http" not in allowed:
        for place in _vaults(source.document.get("secrets") or {}, ("secrets",)):
            raise source.wrong(place, "a vault is asked over the network, so it needs leave", _FLAG.format("http"))


def _check(
    source: Source, place: Place, provider: Mapping[str, Any], allowed: frozenset[str], known: Mapping[str, Any]
) -> None:
    kind = provider.get("type")
    if kind in allowed:
        return
    if kind == "process":
        raise source.wrong((*place, "type"), "runs a program, so it needs leave", _FLAG.format(kind))
    if kind == "python" and not is_own(provider):
        called = f"{provider.get('module')}.{provider.get('func')}"
        raise source.wrong((*place, "module"), f"calls {called}, so it needs leave", _FLAG.format(kind))
    if kind == "http":
        url = substituted(provider.get("url"), known)
        if not is_loopback(url):
            raise source.wrong(
                (*place, "url"), f"{url!r} is not of this machine, so it needs leave", _FLAG.format(kind)
            )


def is_own(provider: Mapping[str, Any]) -> bool:
    """Whether it calls one of perkie's actions and probes. Others in their modules are not for experiments."""
    module = provider.get("module")
    return module in OWN and provider.get("func") in importlib.import_module(str(module)).__all__


def substituted(value: Any, known: Mapping[str, Any]) -> Any:
    """The value with ``${…}`` replaced, as Chaos Toolkit does it."""
    from chaoslib import substitute

    return substitute(value, known, {})


def is_loopback(url: object) -> bool:
    """Whether an address, without anything left to be replaced in it, is of this machine."""
    if not isinstance(url, str) or "$" in url:
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        return parts.scheme in ("http", "https") and (host == "localhost" or ipaddress.ip_address(host).is_loopback)
    except ValueError:
        return False


def _vaults(secrets: object, place: Place) -> Iterator[Place]:
    if isinstance(secrets, Mapping):
        if secrets.get("type") == "vault":
            yield place
        for key, value in secrets.items():
            yield from _vaults(value, (*place, key))
