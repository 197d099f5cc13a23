"""Traffic by names: shifting keeps proportions, and going back gives exactly what was."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.deploy.rollout import Phase, Rollout
from perkie_cli.domain.deploy.traffic import (
    Share,
    Split,
    described,
    floats,
    keeping_tags,
    main_revision,
    named,
    same_traffic,
    serving,
    shifted,
)

NOW = datetime(2026, 11, 30, tzinfo=UTC)


@st.composite
def splits(draw: st.DrawFn) -> Split:
    count = draw(st.integers(1, 5))
    cuts = sorted(draw(st.lists(st.integers(0, 100), min_size=count - 1, max_size=count - 1)))
    parts = [right - left for left, right in zip([0, *cuts], [*cuts, 100], strict=True)]
    tags = draw(st.lists(st.sampled_from(["", "blue", "green", "red"]), min_size=count, max_size=count))
    shares = (
        Share(f"r{at}", part, tag if tags.count(tag) == 1 else "")
        for at, (part, tag) in enumerate(zip(parts, tags, strict=True))
    )
    return named(tuple(shares), "")


@given(splits(), st.integers(0, 100))
def test_a_shift_gives_the_new_one_its_part_and_the_others_theirs(old: Split, percent: int) -> None:
    after = shifted(old, "new", percent)
    found = serving(after)
    assert sum(found.values()) == 100
    assert found.get("new", 0) == percent
    for revision, before in serving(old).items():
        assert abs(found.get(revision, 0) - before * (100 - percent) / 100) <= 1 * len(old)
    assert Share("new", percent, "canary") in after
    assert Share(main_revision(old), 0, "stable") in after
    assert {share.tag for share in old} <= {share.tag for share in after} | {""}


@given(splits(), st.integers(0, 100))
def test_going_back_gives_exactly_what_was(old: Split, percent: int) -> None:
    assert keeping_tags(old, shifted(old, "new", percent)) == old


def test_tags_that_others_added_stay_and_ours_go() -> None:
    old = (Share("a", 100),)
    live = (*shifted(old, "b", 50), Share("a", 0, "theirs"))
    assert keeping_tags(old, live) == (Share("a", 100), Share("a", 0, "theirs"))
    assert keeping_tags((Share("b", 100),), live) == (Share("b", 100), Share("a", 0, "theirs"))


def test_what_floats_is_pinned_to_what_is_ready() -> None:
    floating = (Share("", 100), Share("", 0, "next"))
    assert floats(floating)
    assert named(floating, "r7") == (Share("r7", 100), Share("r7", 0, "next"))
    assert not floats(named(floating, "r7"))
    assert named((Share("", 60), Share("r7", 40)), "r7") == (Share("r7", 100),)  # one revision, one share


def test_tags_of_others_are_no_change_of_traffic() -> None:
    one = shifted((Share("a", 100),), "b", 10)
    assert same_traffic(one, (*one, Share("a", 0, "theirs")))
    assert not same_traffic(one, shifted((Share("a", 100),), "b", 11))
    assert not same_traffic(one, tuple(share for share in one if share.tag != "stable"))


def test_a_split_reads_well() -> None:
    assert described(shifted((Share("a", 100),), "b", 10)) == "a 90 %, b 10 % (canary), a 0 % (stable)"
    assert described(()) == "nothing"
    assert described((Share("", 100),)) == "LATEST 100 %"


def rollout(old: Split) -> Rollout:
    return Rollout("1", "new", "image", old, shifted(old, "new", 10), Phase.HOLDING, 10, NOW, NOW, "me@here", "fine")


@given(splits())
def test_the_state_survives_being_an_annotation(old: Split) -> None:
    assert Rollout.from_text(rollout(old).to_text()) == rollout(old)


def test_the_state_stays_far_below_what_annotations_may_hold() -> None:
    many = tuple(Share(f"perkie-artistic-261130-00{at:04d}", 10, f"tag-{at}") for at in range(10))
    assert len(rollout(many).to_text()) < 16_000  # of 256 KiB


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"v": 2}', '{"v": 1}', '{"v": 1, "id": "x", "old": [1]}', "null"])
def test_an_annotation_of_somebody_else_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        Rollout.from_text(text)
    assert Rollout.from_text("") is None
