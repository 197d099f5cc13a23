"""What happened in each second."""

import pickle

import pytest

from perkie_cli.loadtest.timeline import Timeline, top_of


def test_good_answers_are_in_the_second_in_which_they_were_due_and_in_the_bin_of_their_latency() -> None:
    found = Timeline()
    for number in range(10_000):
        found.good(number / 1000, 0.010 if number < 5000 else 0.080)
    found.second(3.5).failed += 2
    found.second(12.0).skipped += 1
    merged = Timeline()
    merged.add(pickle.loads(pickle.dumps(found)))
    merged.add(found)
    rows = dict(merged)
    assert list(rows) == [*range(10), 12]
    assert [rows[at].ok for at in range(10)] == [2000] * 10
    assert (rows[3].failed, rows[12].skipped, rows[12].ok) == (4, 2, 0)
    for at, latency in ((4, 0.010), (5, 0.080)):
        (number,) = rows[at].bins
        assert top_of(number - 1) < latency <= top_of(number) + 1e-9
        assert top_of(number) == pytest.approx(latency, rel=0.1)
