"""Whose pet a picture shows: found out by comparison, for drawings of the local engine and of the emulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from perkie_cli.api import stylize
from perkie_cli.loadtest.chaos.stage.ledger import PETS, STYLE, Answer, Order
from perkie_cli.loadtest.chaos.stage.likeness import why_wrong
from perkie_cli.loadtest.chaos.stage.shop import SEED, SIDE
from perkie_cli.loadtest.photos import Photos


@pytest.fixture(scope="module")
def drawing(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """The second pet, drawn by the local engine in another size than the references."""
    photo = Photos(SIDE, SEED).photo(1)
    folder = tmp_path_factory.mktemp("drawn")
    made = stylize(photo, STYLE, engine="local", size=640, settings={"cache.dir": str(folder / "cache")})
    file = made.save(folder / "drawn.jpg")
    return Answer(Order(1, "s"), 1.0, 200, engine="local", picture=str(file))


def test_the_pet_that_was_sent_is_recognised(drawing: Answer) -> None:
    assert why_wrong(drawing) is None
    assert why_wrong(replace(drawing, order=Order(1 + PETS, "s"))) is None, "another photo of the same pet"


def test_somebody_elses_pet_is_noticed(drawing: Answer) -> None:
    for pet in {*range(PETS)} - {1}:
        assert why_wrong(replace(drawing, order=Order(pet, "s"))) == f"it shows pet 1, and pet {pet} was sent"


@pytest.mark.parametrize("spoil", ["cut", "noise", "empty"])
def test_what_is_no_picture_is_noticed(drawing: Answer, tmp_path: Path, spoil: str) -> None:
    assert drawing.picture is not None
    data = Path(drawing.picture).read_bytes()
    file = tmp_path / "spoilt.jpg"
    file.write_bytes({"cut": data[: len(data) // 2], "noise": bytes(range(256)) * 20, "empty": b""}[spoil])
    assert why_wrong(replace(drawing, picture=str(file)))
