from __future__ import annotations

import pickle
import re
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from perkie_cli.cli.flags import GlobalFlags
from perkie_cli.cli.render import Renderer
from perkie_cli.domain import errors
from perkie_cli.domain.errors import AtCapacity, OutOfMemory, PerkieError
from perkie_cli.domain.policy import Cover


def family(cls: type[PerkieError]) -> list[type[PerkieError]]:
    return [each for child in cls.__subclasses__() for each in (child, *family(child))]


TREE = [cls for cls in family(PerkieError) if cls.__module__.startswith(f"{errors.__name__}.")]


def meaning(cls: type[PerkieError]) -> str:
    """One row of the table: exit, http, again, tries, marks."""
    marks = {Cover.ALWAYS: "L", Cover.SETUP: "S", Cover.NEVER: "-"}[cls.covered]
    marks += "F" if cls.speaks_against else "-"
    marks += "-" if cls.sent else "N"
    marks += "H" if cls.hidden else "-"
    marks += "E" if cls.ends_run else "-"
    return f"{cls.exit_code} {cls.http_status} {'yes' if cls.retryable else '-'} {cls.retry.attempts} {marks}"


@pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
def test_the_drawing_in_the_docstring_tells_what_the_error_means(cls: type[PerkieError]) -> None:
    row = re.search(rf"[├└]─ {cls.__name__} +(.+)", errors.__doc__ or "")
    line = f"{cls.__name__}  {meaning(cls)}"
    assert row is not None, f"the docstring of domain/errors lacks the line of {cls.__name__}; draw: {line}"
    assert " ".join(row[1].split()) == meaning(cls), f"the docstring of domain/errors draws {row[0]!r}; draw: {line}"


def test_only_what_was_sent_speaks_against_the_upstream_or_is_sent_again() -> None:
    for cls in TREE:
        if not cls.sent:
            assert cls.speaks_against is False
            assert cls.retry.attempts == 1


def test_only_what_a_retry_mends_tells_a_script_to_try_again() -> None:
    for cls in TREE:
        assert (cls.exit_code == 5) <= cls.retryable, f"{cls.__name__}: exit 5 means that a retry may succeed"
        assert cls.retryable <= (cls.exit_code in (5, 7)), f"{cls.__name__}: its exit code does not say try again"


def test_every_error_is_offered_by_the_package() -> None:
    offered = {name for name in errors.__all__ if isinstance(getattr(errors, name), type)}
    assert {cls.__name__ for cls in TREE} | {"PerkieError"} == offered


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in TREE]
    twice = {code for code in codes if codes.count(code) > 1}
    assert twice == set(), f"two errors have the code {', '.join(twice)}: a code is the class name in snake case"


def test_errors_survive_the_way_out_of_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(AtCapacity("full", hint="wait", retry_after=2.5)))
    assert (type(error), error.message, error.hint, error.retry_after) == (AtCapacity, "full", "wait", 2.5)


def _unmapped() -> None:
    raise ImportError("cv2.abi3.so: failed to map segment from shared object")  # as seen under `ulimit -v`


@pytest.mark.parametrize(
    "work",
    [
        lambda: np.empty(2**50),
        lambda: cv2.resize(np.zeros((1, 1)), (2**30, 2**30)),  # more bytes than there are addresses
        _unmapped,
    ],
    ids=["numpy", "opencv", "loader"],
)
def test_too_little_memory_is_no_bug(work: Callable[[], object]) -> None:
    with pytest.raises(Exception) as caught:  # each library has its own
        work()
    told = Renderer(GlobalFlags()).unexpected(caught.value)
    assert isinstance(told, OutOfMemory)
    assert "bug" not in f"{told.message} {told.hint}"
