"""Schedules of absolute times, and what is sent at each."""

from collections import Counter
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.loadtest.generator.choices import BLOCK, choices
from perkie_cli.loadtest.generator.schedule import arrivals
from perkie_cli.loadtest.scenario import Call, Phase, PhotoPool, Spacing
from tests.loadtest import scenario


def test_five_a_second_for_a_minute_are_three_hundred() -> None:
    times, _ = arrivals(scenario(phases=(Phase("a", 60.0, rate=5.0),)), 1)
    assert len(times) == 300
    assert np.diff(times) == pytest.approx(0.2)
    assert times[0] == 0.0


def test_a_ramp_sends_what_lies_under_its_line() -> None:
    times, _ = arrivals(scenario(phases=(Phase("up", 10.0, rate=0.0, to=100.0),)), 1)
    assert len(times) == 500
    assert np.searchsorted(times, 5.0) == pytest.approx(125, abs=1), "a quarter in the first half"
    down, _ = arrivals(scenario(phases=(Phase("down", 10.0, rate=100.0, to=0.0),)), 1)
    assert np.searchsorted(down, 5.0) == pytest.approx(375, abs=1)


def test_steps_follow_each_other() -> None:
    steps = (Phase("low", 2.0, rate=10.0), Phase("high", 1.0, rate=50.0))
    times, phases = arrivals(scenario(phases=steps), 1)
    assert Counter(phases.tolist()) == {0: 20, 1: 50}
    assert times[20] == 2.0


def test_poisson_has_the_mean_and_the_spread_of_chance_and_repeats_with_its_seed() -> None:
    found = scenario(phases=(Phase("a", 1000.0, rate=20.0),), spacing=Spacing.POISSON)
    times, _ = arrivals(found, 7)
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(1 / 20, rel=0.03)
    assert gaps.std() == pytest.approx(1 / 20, rel=0.03), "an exponential's deviation is its mean"
    assert (times == arrivals(found, 7)[0]).all()
    assert len(times) != len(arrivals(found, 8)[0]) or (times != arrivals(found, 8)[0]).any()


rates = st.floats(0.1, 200.0)
phases = st.builds(Phase, st.just("p"), st.floats(0.1, 20.0), rate=rates, to=st.none() | rates)


@given(st.lists(phases, min_size=1, max_size=4), st.sampled_from(Spacing), st.integers(0, 2**28))
def test_arrivals_are_in_order_and_within_the_schedule(parts: list[Phase], spacing: Spacing, seed: int) -> None:
    found = scenario(phases=tuple(parts), spacing=spacing)
    times, numbers = arrivals(found, seed)
    assert len(times) == len(numbers)
    assert (np.diff(times) >= -1e-9).all()
    assert ((times >= 0) & (times <= found.duration + 1e-9)).all()
    if spacing is Spacing.EVEN:
        assert len(times) == sum(round(part.arrivals) for part in parts)


def test_scaling_keeps_the_proportions() -> None:
    found = scenario(phases=(Phase("a", 10.0, rate=5.0), Phase("b", 30.0, rate=50.0, to=25.0)), warm_up=4.0)
    small = found.scaled(rate=10.0, duration=20.0)
    assert [(phase.rate, phase.to, phase.duration) for phase in small.phases] == [(1.0, None, 5.0), (10.0, 5.0, 15.0)]
    assert small.warm_up == 2.0
    users = scenario(phases=(Phase("a", 10.0, users=100),)).scaled(rate=7)
    assert users.phases[0].users == 7


POST = Call("post", "/p", "POST", weight=3.0, photo="image")
GET = Call("get", "/g")


@pytest.mark.parametrize("workers", [1, 2, 3, 7])
def test_the_same_is_sent_by_any_number_of_processes(workers: int) -> None:
    found = scenario(calls=(POST, GET), photos=PhotoPool(hit_rate=0.6, warm=5), owners=10)
    alone = list(islice(choices(found, 3), BLOCK + 500))
    shared = [list(islice(choices(found, 3, each, workers), 700)) for each in range(workers)]
    together = sorted(choice for part in shared for choice in part)
    assert together[:600] == alone[:600]


def test_hits_come_at_the_wanted_rate_and_every_other_photo_is_new() -> None:
    found = scenario(calls=(POST, GET), photos=PhotoPool(hit_rate=0.65, warm=40))
    sent = [choice.photo for choice in islice(choices(found, 1), 3 * BLOCK) if choice.photo >= 0]
    new = [photo for photo in sent if photo >= 40]
    assert new == list(range(40, 40 + len(new)))
    assert len(new) == pytest.approx(0.35 * len(sent), abs=1)
    assert set(sent) - set(new) == set(range(40))


def test_weights_and_owners_are_kept() -> None:
    found = scenario(calls=(POST, GET), owners=3)
    row = list(islice(choices(found, 1), BLOCK))
    kinds = Counter(choice.call for choice in row)
    assert kinds[0] / kinds[1] == pytest.approx(3.0, rel=0.15)
    assert {choice.owner for choice in row} == {0, 1, 2}
    assert all(choice.photo == -1 for choice in row if choice.call == 1)
    alone = list(islice(choices(replace(found, owners=0), 1), 100))
    assert [choice.owner for choice in alone] == list(range(100)), "a new owner for each request"
