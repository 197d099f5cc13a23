"""Whether an experiment can run, before anything starts: its shape, its providers, Chaos Toolkit's own rules."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any

from perkie_cli.domain.errors import BadInput
from perkie_cli.loadtest.chaos.document.arguments import check_argument
from perkie_cli.loadtest.chaos.document.plan import Plan, plan_of
from perkie_cli.loadtest.chaos.document.providers import activities, check_providers, is_own, substituted
from perkie_cli.loadtest.chaos.document.source import Place, Source

# Of https://chaostoolkit.org/reference/api/experiment/. Others are allowed, but not when they look like a slip.
FIELDS: Mapping[str, type | tuple[type, ...]] = {
    "title": str,
    "description": str,
    "version": (str, int, float),
    "tags": list,
    "contributions": dict,
    "configuration": dict,
    "secrets": dict,
    "controls": list,
    "extensions": list,
    "runtime": dict,
    "dry": str,
    "steady-state-hypothesis": dict,
    "method": list,
    "rollbacks": list,
}
ALIKE = 0.8  # of 1; ``rollback`` and ``rollbacks``, but not ``dry_run`` and ``dry``: other fields are allowed
DRY = ("probes", "actions", "activities", "pause")
NEEDED = ("title", "description", "method")
OF_ACTIVITY: Mapping[str, type | tuple[type, ...]] = {
    "name": str,
    "type": str,
    "ref": str,
    "background": bool,
    "pauses": dict,
    "controls": list,
    "provider": dict,
}
OF_PROVIDER: Mapping[str, type | tuple[type, ...]] = {
    "type": str,
    "module": str,
    "func": str,
    "url": str,
    "path": str,
    "method": str,
    "headers": dict,
    "secrets": list,
}
_NAMES = {str: "text", list: "a list", dict: "a table", bool: "true or false"}


def check_experiment(source: Source, allowed: frozenset[str] = frozenset()) -> Plan | None:
    """Checks everything that can be known beforehand. Returns what perkie has to start for it, if anything.

    Raises: BadInput, naming file, line and field.
    """
    document = source.document
    if not isinstance(document, Mapping):
        raise source.wrong((), "an experiment is a table with title, description and method")
    _check_shape(source, document)
    plan = plan_of(source)
    known = _configured(source, plan)
    check_providers(source, allowed, known)
    for place, activity in activities(document):
        _ask_chaoslib(source, place, "ensure_activity_is_valid", activity)
        provider = activity.get("provider")
        if provider and is_own(provider):
            _check_own(source, (*place, "provider", "arguments"), provider, plan, known)
    _check_hypothesis(source, document)
    _check_references(source, document)
    _ask_chaoslib(source, (), "ensure_experiment_is_valid", document)
    return plan


def _check_shape(source: Source, document: Mapping[str, Any]) -> None:
    for key in document:
        slip = [] if key in FIELDS else difflib.get_close_matches(key, FIELDS, n=1, cutoff=ALIKE)
        if slip:
            raise source.wrong((key,), "is not a field of an experiment", f"Did you mean {slip[0]!r}?")
    for key in NEEDED:
        if document.get(key) in (None, ""):
            raise source.wrong((), f"{key} is missing")
    _check_types(source, (), document, FIELDS)
    hypothesis = document.get("steady-state-hypothesis", {})
    _check_types(source, ("steady-state-hypothesis",), hypothesis, {"title": str, "probes": list, "controls": list})
    _check_dry(source, (), document)
    for place, activity in activities(document):
        if not isinstance(activity, Mapping):
            raise source.wrong(place, "is not a table")
        _check_dry(source, place, activity)
        _check_types(source, place, activity, OF_ACTIVITY)
        _check_types(source, (*place, "provider"), activity.get("provider", {}), OF_PROVIDER)


def _check_dry(source: Source, place: Place, table: Mapping[str, Any]) -> None:
    if "dry" in table and table["dry"] not in DRY:
        raise source.wrong((*place, "dry"), f"{table['dry']!r} is not one of {', '.join(DRY)}")


def _check_types(
    source: Source, place: Place, table: Mapping[str, Any], kinds: Mapping[str, type | tuple[type, ...]]
) -> None:
    for key, kind in kinds.items():
        if key in table and not isinstance(table[key], kind):
            wanted = _NAMES.get(kind, "text or a number") if isinstance(kind, type) else "text or a number"
            raise source.wrong((*place, key), f"{table[key]!r} is not {wanted}")


def _check_references(source: Source, document: Mapping[str, Any]) -> None:
    """Chaos Toolkit looks for them among the activities of method and hypothesis, and so late that it breaks off."""
    hypothesis = document.get("steady-state-hypothesis") or {}
    names = {each.get("name") for each in (*document["method"], *hypothesis.get("probes", ())) if "ref" not in each}
    for place, activity in activities(document):
        if "ref" in activity and activity["ref"] not in names:
            raise source.wrong((*place, "ref"), f"no activity is called {activity['ref']!r}")


def _check_hypothesis(source: Source, document: Mapping[str, Any]) -> None:
    hypothesis = document.get("steady-state-hypothesis")
    if hypothesis is None:
        return
    place: Place = ("steady-state-hypothesis",)
    if not hypothesis.get("title"):
        raise source.wrong(place, "title is missing")
    for number, probe in enumerate(hypothesis.get("probes", ())):
        if "tolerance" not in probe:
            raise source.wrong((*place, "probes", number), "tolerance is missing")
        tolerance = probe["tolerance"]
        _ask_chaoslib(
            source, (*place, "probes", number, "tolerance"), "ensure_hypothesis_tolerance_is_valid", tolerance
        )


def _configured(source: Source, plan: Plan | None) -> Mapping[str, Any]:
    """The values of ``${…}``; those that only the run will know look like addresses of this machine."""
    from chaoslib.configuration import load_configuration
    from chaoslib.exceptions import ChaosException
    from chaoslib.secret import load_secrets

    document = source.document
    try:
        found = load_configuration(dict(document.get("configuration") or {}))
    except (ChaosException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise source.wrong(("configuration",), str(error)) from error
    try:
        secrets = load_secrets(_without_vaults(document.get("secrets") or {}), found)
    except (ChaosException, LookupError, TypeError, ValueError, AttributeError) as error:
        raise source.wrong(("secrets",), str(error)) from error
    tables = [each for each in secrets.values() if isinstance(each, Mapping)]
    shared = {key: value for each in reversed(tables) for key, value in each.items()}  # the first one wins
    return {**shared, **found, **(plan.addresses if plan is not None else {})}


def _without_vaults(secrets: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in secrets.items() if not _holds_vault(value)}


def _holds_vault(value: object) -> bool:
    if not isinstance(value, Mapping):
        return False
    return value.get("type") == "vault" or any(map(_holds_vault, value.values()))


def _check_own(
    source: Source, place: Place, provider: Mapping[str, Any], plan: Plan | None, known: Mapping[str, Any]
) -> None:
    """The values that perkie's own actions and probes take."""
    for name, value in (provider.get("arguments") or {}).items():
        try:
            check_argument(name, substituted(value, known), plan)
        except BadInput as error:
            raise source.wrong((*place, name), error.message, error.hint) from error


def _ask_chaoslib(source: Source, place: Place, rule: str, value: Any) -> None:
    """One of Chaos Toolkit's rules; it raises anything for what it did not expect."""
    from chaoslib import activity, experiment, hypothesis

    logging.getLogger("chaostoolkit").setLevel(logging.ERROR)
    found = next(getattr(each, rule) for each in (activity, hypothesis, experiment) if hasattr(each, rule))
    try:
        found(value)
    except BadInput:
        raise
    except Exception as error:  # AttributeError, TypeError … where a value has another shape
        raise source.wrong(place, str(error) or type(error).__name__) from error
