from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.batch.machines.shard import COUNT, INDEX, Shard
from perkie_cli.domain.errors import InvalidParameter

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=()), min_size=1)  # half pairs stand for bytes


@given(st.lists(NAMES, unique=True, max_size=40), st.integers(1, 9))
def test_all_shards_together_are_the_whole_and_none_has_anothers_photo(names: list[str], count: int) -> None:
    names = [name for name in names if _can_be_a_path(name)]
    shards = [Shard(index, count) for index in range(count)]
    taken = [[name for name in names if shard.takes(name)] for shard in shards]
    assert sorted(name for part in taken for name in part) == sorted(names)


def _can_be_a_path(name: str) -> bool:
    try:
        name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False
    return True


def test_a_photo_stays_in_its_shard_whatever_else_is_there() -> None:
    """Written down: another hash would send half of a running job's photos elsewhere."""
    names = ["photos/ann.jpg", "photos/bob.png", "gs://shop/in/cät.heic", "dog \udcff.webp"]
    assert [next(i for i in range(4) if Shard(i, 4).takes(name)) for name in names] == [3, 2, 2, 2]


def test_the_parts_are_about_as_large() -> None:
    shards = [sum(Shard(index, 8).takes(f"photos/{n:06}.jpg") for n in range(8000)) for index in range(8)]
    assert min(shards) > 900
    assert max(shards) < 1100


@pytest.mark.parametrize("text", ["", "1", "a/b", "4/4", "1/0", "-1/4", "1/4/2", "1 / 4", "1.0/4", "٣/4"])
def test_a_wrong_shard_is_refused(text: str) -> None:
    with pytest.raises(InvalidParameter):
        Shard.parse(text)


def test_a_task_of_a_cloud_run_job_is_a_shard() -> None:
    assert Shard.chosen(None, {INDEX: "2", COUNT: "3"}) == Shard(2, 3)
    assert Shard.chosen("0/2", {INDEX: "2", COUNT: "3"}) == Shard(0, 2), "what is typed wins"
    assert Shard.chosen(None, {INDEX: "0", COUNT: "1"}) is None
    assert Shard.chosen(None, {}) is None
    for wrong in ({INDEX: "3", COUNT: "3"}, {INDEX: "x", COUNT: "3"}):
        with pytest.raises(InvalidParameter, match=INDEX):
            Shard.chosen(None, wrong)
