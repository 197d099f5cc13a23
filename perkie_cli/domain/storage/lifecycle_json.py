"""Lifecycle rules to and from the JSON of the bucket resource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import date
from typing import Any

from perkie_cli.domain.storage.lifecycle import Action, Rule

MOST_RULES = 100
MOST = 36_500  # days, a century; or versions
STORAGE_CLASSES = (
    "STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE", "MULTI_REGIONAL", "REGIONAL", "DURABLE_REDUCED_AVAILABILITY",
)  # fmt: skip
_INTEGERS = {"age", "daysSinceCustomTime", "daysSinceNoncurrentTime", "numNewerVersions"}
_DATES = {"createdBefore", "customTimeBefore", "noncurrentTimeBefore"}
_LISTS = {"matchesPrefix", "matchesSuffix", "matchesStorageClass"}
CONDITIONS = sorted(_INTEGERS | _DATES | _LISTS | {"isLive"})


class RuleError(ValueError):
    """What is wrong, and at which rule (counted from 1; 0: not in any rule) and key."""

    def __init__(self, reason: str, rule: int = 0, key: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.rule = rule
        self.key = key


def rules_from(lifecycle: object) -> tuple[Rule, ...]:
    """Reads ``{"rule": […]}``, with or without a ``lifecycle`` wrapper; as strict as the service.

    Raises: RuleError.
    """
    bare = lifecycle.get("lifecycle", lifecycle) if isinstance(lifecycle, Mapping) else lifecycle
    rules = _only(bare, {"rule"}, 0).get("rule", [])
    if not isinstance(rules, list):
        raise RuleError('"rule" is not a list')
    if len(rules) > MOST_RULES:
        raise RuleError(f"{len(rules)} rules; a bucket takes {MOST_RULES} at most")
    return tuple(_rule(number, rule) for number, rule in enumerate(rules, 1))


def _rule(number: int, given: object) -> Rule:
    if not isinstance(given, Mapping):
        raise RuleError("the rule is not an object", number)
    _only(given, {"action", "condition"}, number)
    action, condition = given.get("action"), given.get("condition")
    if not isinstance(action, Mapping) or not isinstance(condition, Mapping):
        raise RuleError("a rule needs an action and a condition", number)
    if not condition:
        raise RuleError("the condition is empty: it would match every object", number, "condition")
    _only(condition, set(CONDITIONS), number)
    values: dict[str, Any] = {_snake(key): _value(number, key, value) for key, value in condition.items()}
    return Rule(*_action(number, action), **values)


def _action(number: int, given: Mapping[str, Any]) -> tuple[Action, str | None]:
    _only(given, {"type", "storageClass"}, number)
    try:
        action = Action(given.get("type", ""))
    except ValueError:
        names = ", ".join(Action)
        raise RuleError(f"unknown action {given.get('type')!r}; actions are {names}", number, "type") from None
    target = given.get("storageClass")
    if (action is Action.SET_STORAGE_CLASS) != (target is not None):
        raise RuleError(
            "storageClass is required with SetStorageClass and not allowed elsewhere", number, "storageClass"
        )
    if target is not None and target not in STORAGE_CLASSES:
        raise RuleError(f"unknown storage class {target!r}", number, "storageClass")
    return action, target


def _value(number: int, key: str, value: object) -> object:
    match value:
        case bool() if key == "isLive":
            return value
        case int() if key in _INTEGERS and not isinstance(value, bool) and 0 <= value <= MOST:
            return value
        case str() if key in _DATES:
            try:
                return date.fromisoformat(value)
            except ValueError as error:
                raise RuleError(f"{value!r} is not {_kind(key)}", number, key) from error
        case list() if key in _LISTS and value and all(isinstance(each, str) for each in value):
            return tuple(value)
    raise RuleError(f"{key} is not {_kind(key)}", number, key)


def _kind(key: str) -> str:
    if key in _INTEGERS:
        return f"a whole number from 0 to {MOST}"
    if key in _DATES:
        return "a date such as 2026-01-31"
    return "true or false" if key == "isLive" else "a list of strings"


def _only(given: object, allowed: set[str], number: int) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise RuleError("not a JSON object", number)
    for key in given:
        if key not in allowed:
            raise RuleError(f"unknown key {key!r}; known here: {', '.join(sorted(allowed))}", number, key)
    return given


def rule_to(rule: Rule) -> dict[str, Any]:
    """One rule as JSON; conditions in the API's alphabetical order."""
    action: dict[str, Any] = {"type": rule.action.value}
    if rule.storage_class is not None:
        action["storageClass"] = rule.storage_class
    condition = {}
    for field in fields(Rule)[2:]:
        value = getattr(rule, field.name)
        if value is not None and value != ():
            condition[_camel(field.name)] = list(value) if isinstance(value, tuple) else _plain(value)
    return {"action": action, "condition": dict(sorted(condition.items()))}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)
