"""``@frozen`` classes behave as frozen dataclasses do, but for the refusal to set an attribute."""

from __future__ import annotations

import copy
import pickle
from dataclasses import asdict, dataclass, field, fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.frozen import frozen


@frozen
class Made:
    """What both declare."""

    name: str
    size: int = 3
    key: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Standard:
    """The same, by the standard library."""

    name: str
    size: int = 3
    key: bytes = field(default=b"", repr=False)


@frozen
class Other:
    name: str
    size: int = 3
    key: bytes = b""


@frozen
class Longer(Made):
    more: int = 0


@frozen(eq=False)
class Itself:
    name: str


VALUES = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.binary(max_size=1))


@given(VALUES, VALUES)
def test_equality_hash_and_text_are_those_of_a_frozen_dataclass(
    one: tuple[str, int, bytes], two: tuple[str, int, bytes]
) -> None:
    assert (Made(*one) == Made(*two)) == (Standard(*one) == Standard(*two))
    assert len({Made(*one), Made(*two)}) == len({Standard(*one), Standard(*two)})
    assert repr(Made(*one)).removeprefix("Made") == repr(Standard(*one)).removeprefix("Standard")
    assert asdict(Made(*one)) == asdict(Standard(*one))
    assert [each.name for each in fields(Made)] == [each.name for each in fields(Standard)]


@pytest.mark.parametrize("other", [Other("a"), Longer("a"), "a", None], ids=repr)
def test_another_kind_is_never_equal(other: object) -> None:
    assert Made("a") != other
    assert len({Made("a"), other}) == 2


def test_it_is_copied_replaced_and_pickled_by_value() -> None:
    made = Longer("a", key=b"k", more=4)
    assert copy.copy(made) == copy.deepcopy(made) == pickle.loads(pickle.dumps(made)) == made
    assert replace(made, size=5) == Longer("a", 5, b"k", 4) != made


def test_a_value_kept_out_of_the_text_stays_out_in_a_subclass() -> None:
    assert repr(Longer("a", key=b"secret")) == "Longer(name='a', size=3, more=0)"


def test_it_has_slots_and_keeps_the_methods_of_its_own() -> None:
    @frozen
    class Short:
        name: str

        def __repr__(self) -> str:
            return "short"

    assert repr(Short("a")) == "short"
    with pytest.raises(AttributeError):
        Short("a").other = 1  # type: ignore[attr-defined]


def test_without_eq_it_equals_only_itself() -> None:
    one = Itself("a")
    assert one == one
    assert one != Itself("a")
    assert len({one, Itself("a")}) == 2
