"""The ``fields`` parameter of Google's APIs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.emulators.partial_response import select

BODY = {"kind": "k", "items": [{"name": "a", "size": 1, "owner": {"id": 1, "x": 2}}, {"name": "b"}], "token": "t"}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("kind", {"kind": "k"}),
        ("items/name", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("items(name,size),token", {"items": [{"name": "a", "size": 1}, {"name": "b"}], "token": "t"}),
        ("items(owner/id)", {"items": [{"owner": {"id": 1}}, {}]}),
        ("items(owner(id, x))", {"items": [{"owner": {"id": 1, "x": 2}}, {}]}),
        ("items/*/id", {"items": [{"name": "a", "size": 1, "owner": {"id": 1}}, {"name": "b"}]}),
        ("*", BODY),
        ("nothing", {}),
    ],
)
def test_what_is_named_is_left(fields: str, expected: object) -> None:
    assert select(BODY, fields) == expected


@pytest.mark.parametrize("fields", ["", "a(", "a(b", "a)", "(a)", "a,,b", "a,", "a$", "/a"])
def test_what_is_no_selection_is_refused(fields: str) -> None:
    with pytest.raises(ValueError, match="Invalid field selection"):
        select(BODY, fields)


@given(st.text("ab/(),* ", max_size=12))
def test_any_text_selects_or_is_refused(fields: str) -> None:
    try:
        found = select({"a": {"a": 1, "b": [{"b": 2}]}, "b": 3}, fields)
    except ValueError:
        return
    assert isinstance(found, dict)
