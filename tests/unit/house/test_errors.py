from __future__ import annotations

import pickle
import re

import pytest

from perkie_cli.domain import errors
from perkie_cli.domain.errors import AtCapacity, PerkieError


def family(cls: type[PerkieError]) -> list[type[PerkieError]]:
    return [each for child in cls.__subclasses__() for each in (child, *family(child))]


TREE = [cls for cls in family(PerkieError) if cls.__module__ == errors.__name__]


@pytest.mark.parametrize("cls", TREE, ids=lambda cls: cls.__name__)
def test_the_drawing_in_the_docstring_tells_the_truth(cls: type[PerkieError]) -> None:
    row = re.search(rf"[├└]─ {cls.__name__} +(\d+) +(\d+)( +yes)?", errors.__doc__ or "")
    assert row is not None, f"{cls.__name__} is not drawn"
    assert (int(row[1]), int(row[2]), bool(row[3])) == (cls.exit_code, cls.http_status, cls.retryable)


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in TREE]
    assert len(set(codes)) == len(codes)


def test_errors_survive_the_way_out_of_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(AtCapacity("full", hint="wait", retry_after=2.5)))
    assert (type(error), error.message, error.hint, error.retry_after) == (AtCapacity, "full", "wait", 2.5)
