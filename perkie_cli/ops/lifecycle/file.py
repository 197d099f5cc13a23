"""Reads lifecycle rules from a JSON file; errors name the line and column."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile
from perkie_cli.domain.storage.lifecycle import Rule
from perkie_cli.domain.storage.lifecycle_json import RuleError, rules_from
from perkie_cli.domain.storage.lifecycle_review import Level, review
from perkie_cli.domain.units import why_unread

_SPACE = re.compile(r"[\s,]*")


def read_rules(path: Path) -> tuple[Rule, ...]:
    """Rules from a file, bare (``{"rule": […]}``) or in gsutil's ``lifecycle`` wrapper.

    Raises: UnreadableFile, InvalidParameter with ``file:line:column``.
    """
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"rules file {path} cannot be read: {why_unread(error)}") from error
    try:
        rules = rules_from(json.loads(text, object_pairs_hook=_unique))
        _refuse(rules)
    except json.JSONDecodeError as error:
        comment = text[error.pos :].lstrip().startswith(("//", "#", "/*"))
        reason = "JSON has no comments" if comment else error.msg
        raise InvalidParameter(f"{path}:{error.lineno}:{error.colno}: {reason}") from error
    except RuleError as error:
        line, column = _position(text, error)
        where = f"rule {error.rule}: " if error.rule else ""
        raise InvalidParameter(
            f"{path}:{line}:{column}: {where}{error.reason}", hint="`perkie lifecycle show --json` shows valid rules."
        ) from error
    except RecursionError as error:
        raise InvalidParameter(f"{path}:1:1: nested too deeply for lifecycle rules") from error
    return rules


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuses duplicate keys: by default the last one would silently win."""
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise RuleError(f"key {name!r} is in one object twice", key=name)
    return dict(pairs)


def _refuse(rules: Sequence[Rule]) -> None:
    for remark in review(rules):
        if remark.level is Level.ERROR:
            raise RuleError(remark.text, remark.rule)


def _position(text: str, error: RuleError) -> tuple[int, int]:
    """Line and column of the rule, or of a key in it."""
    begin, end = _extent(text, error.rule)
    if error.key:
        found = re.compile(rf'"{re.escape(error.key)}"\s*:').search(text, begin, end)
        begin = found.start() if found else begin
    before = text[:begin]
    return before.count("\n") + 1, begin - (before.rfind("\n") + 1) + 1


def _extent(text: str, rule: int) -> tuple[int, int]:
    """Start and end of the rule in the text; the whole text for 0."""
    array = re.search(r'"rule"\s*:\s*\[', text)
    if not rule or array is None:
        return 0, len(text)
    decoder, begin, end = json.JSONDecoder(), 0, array.end()
    for _ in range(rule):
        space = _SPACE.match(text, end)
        begin = space.end() if space else end
        _, end = decoder.raw_decode(text, begin)
    return begin, end
