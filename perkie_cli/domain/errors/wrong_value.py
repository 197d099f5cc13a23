"""Why a value of a flag, a body or a query was refused, in the same words everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_LONGEST = 40  # characters of a value in a message
_WHOLE, _NUMBER, _SWITCH = "must be a whole number", "must be a number", "must be true or false"
_BOUNDS: Mapping[str, str] = {
    "greater_than_equal": "must be at least {ge:.15g}",
    "less_than_equal": "must be at most {le:.15g}",
    "greater_than": "must be more than {gt:.15g}",
    "less_than": "must be less than {lt:.15g}",
}
_OTHERS: Mapping[str, str] = {
    "int_parsing": _WHOLE,
    "int_parsing_size": _WHOLE + " of fewer digits",
    "int_type": _WHOLE,
    "int_from_float": _WHOLE,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_parsing": _SWITCH,
    "bool_type": _SWITCH,
    "string_type": "must be text",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "literal_error": "must be {expected}",
    "enum": "must be {expected}",
    "missing": "is missing",
    "value_error": "{error}",
}


def reason(wrong: Mapping[str, Any]) -> str:
    """The reason, from one error of Pydantic's: what is allowed, and for a number out of range the number."""
    kind, facts = wrong["type"], wrong.get("ctx", {})
    if kind in _BOUNDS:
        return f"{_BOUNDS[kind].format_map(facts)}, not {str(wrong['input'])[:_LONGEST]}"
    if kind in _OTHERS:
        return _OTHERS[kind].format_map(facts)
    said = str(wrong["msg"]).replace("Input should ", "must ")
    return said[:1].lower() + said[1:]
