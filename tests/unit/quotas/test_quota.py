from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from perkie_cli.domain.errors import QuotaExceeded
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.quotas.limits import QuotaLimits, QuotaWarning, reserve, reset_at, status, utc_day
from perkie_cli.domain.quotas.tally import Tally

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)
AT = NOW.timestamp()
LIMITS = QuotaLimits()
CUSTOMER, SESSION, ADDRESS = Owner.customer("42"), Owner.session("abc"), Owner.address("203.0.113.9")


def names(owner: Owner, address: Owner | None = None) -> list[tuple[str, int]]:
    return [(counter.name, counter.limit) for counter in LIMITS.charge(owner, address).counters]


def test_each_tier_is_charged_to_its_own_counter() -> None:
    assert names(CUSTOMER, ADDRESS) == [("customer:42", 5)]
    assert names(SESSION) == [("session:abc", 3)]
    assert names(ANONYMOUS) == []


def test_a_session_counts_against_the_ceiling_of_its_address_and_an_address_is_never_counted_twice() -> None:
    assert names(SESSION, ADDRESS) == [("session:abc", 3), ("ceiling:203.0.113.9", 30)]
    assert names(ADDRESS, ADDRESS) == [("ip:203.0.113.9", 5)]


@given(st.sampled_from([CUSTOMER, SESSION, ADDRESS, Owner.address("2001:db8::1")]))
def test_a_counter_is_found_again_by_its_stored_name(owner: Owner) -> None:
    for counter in LIMITS.held_by(owner):
        assert LIMITS.named(counter.name) == counter


def test_the_refusal_names_the_full_counter_and_the_reset() -> None:
    charge = LIMITS.charge(SESSION, ADDRESS)
    tallies = {"session:abc": Tally(used=1), "ceiling:203.0.113.9": Tally(used=30)}
    with pytest.raises(QuotaExceeded, match=r"all sessions of address 203\.0\.113\.9: 30 of 30") as caught:
        reserve(charge, tallies, "r", AT + 60, NOW)
    assert caught.value.retry_after == timedelta(hours=2).total_seconds()


def test_a_refusal_for_pictures_in_work_names_the_moment_the_first_place_may_come_free() -> None:
    tallies = {"session:abc": Tally(used=1, leases={"a": AT + 90, "b": AT + 40})}
    with pytest.raises(QuotaExceeded, match="being drawn") as caught:
        reserve(LIMITS.charge(SESSION), tallies, "r", AT + 60, NOW)
    assert caught.value.retry_after == 40


@pytest.mark.parametrize(
    ("used", "warning"),
    [
        (2, None),
        (3, QuotaWarning.LOW),
        (4, QuotaWarning.LAST),
        (5, QuotaWarning.EXHAUSTED),
        (9, QuotaWarning.EXHAUSTED),
    ],
)
def test_warning_levels(used: int, warning: QuotaWarning | None) -> None:
    found = status(LIMITS.charge(CUSTOMER), {"customer:42": Tally(used=used)}, NOW)
    assert found is not None
    assert found.warning is warning
    assert found.reset_at == datetime(2026, 11, 22, tzinfo=UTC)


def test_the_status_shows_what_the_tightest_counter_leaves() -> None:
    tallies = {"session:abc": Tally(), "ceiling:203.0.113.9": Tally(used=29)}
    found = status(LIMITS.charge(SESSION, ADDRESS), tallies, NOW)
    assert found is not None
    assert (found.limit, found.used, found.remaining, found.warning) == (3, 0, 1, QuotaWarning.LAST)
    assert status(LIMITS.charge(ANONYMOUS), {}, NOW) is None


def test_the_day_is_utc_whatever_the_zone_of_the_clock() -> None:
    late = datetime.fromisoformat("2026-11-21T20:30:00-05:00")
    assert utc_day(late) == date(2026, 11, 22)
    assert reset_at(date(2026, 12, 31)) == datetime(2027, 1, 1, tzinfo=UTC)


def test_a_commit_after_the_lease_expired_still_counts_and_counts_once() -> None:
    tally = Tally().reserve("r", AT + 10, 1, AT)
    assert tally is not None
    assert tally.remaining(1, AT) == 0
    assert tally.remaining(1, AT + 10) == 1
    late = tally.commit("r", AT + 99)
    assert late.used == 1
    assert late.commit("r", AT + 99) == late
    assert late.release("r") == late


def test_a_repeated_reservation_takes_one_place() -> None:
    once = Tally().reserve("r", AT + 10, 1, AT)
    assert once is not None
    assert once.reserve("r", AT + 10, 1, AT) == once


def test_a_reset_keeps_leases_and_a_grant_can_be_taken_back_but_no_more() -> None:
    tally = Tally(used=5, leases={"r": AT + 10}).reset()
    assert (tally.used, tally.live(AT)) == (0, 1)
    assert Tally().grant("a", 3).grant("a", 3).granted == 3
    assert Tally().grant("a", 3).grant("b", -5).granted == 0


def test_a_charge_books_over_the_limit_counts_once_and_is_taken_off_down_to_zero() -> None:
    tally = Tally(used=3).charge("a", 4).charge("a", 4)
    assert (tally.used, tally.remaining(5, AT), tally.uses) == (7, 0, ())
    assert tally.charge("b", -2).used == 5
    assert tally.charge("b", -9).used == 0


@pytest.mark.parametrize("step", [Tally.grant, Tally.charge])
def test_taking_back_what_was_never_there_leaves_the_tally_as_it_was(step: Callable[[Tally, str, int], Tally]) -> None:
    assert step(Tally(), "a", -5) == Tally()


class CounterMachine(RuleBasedStateMachine):
    """Any order of steps, with time passing, against a model that remembers every reservation."""

    limit = 4

    def __init__(self) -> None:
        super().__init__()
        self.tally, self.now, self.count = Tally(), 1000.0, 0
        self.open: dict[str, float] = {}
        self.uses = 0

    @rule(lease=st.integers(1, 20))
    def reserve(self, lease: int) -> None:
        self.count += 1
        found = self.tally.reserve(str(self.count), self.now + lease, self.limit, self.now)
        live = sum(expires > self.now for expires in self.open.values())
        assert (found is None) == (self.uses + live >= self.limit)
        if found is not None:
            self.tally = found
            self.open[str(self.count)] = self.now + lease

    @rule(data=st.data(), commit=st.booleans(), twice=st.booleans())
    def settle(self, data: st.DataObject, commit: bool, twice: bool) -> None:
        if not self.open:
            return
        id_ = data.draw(st.sampled_from(sorted(self.open)))
        for _ in range(1 + twice):
            self.tally = self.tally.commit(id_, self.now) if commit else self.tally.release(id_)
        self.uses += commit
        del self.open[id_]

    @rule(seconds=st.integers(0, 10))
    def wait(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def store_and_load(self) -> None:
        self.tally = Tally.from_document(self.tally.to_document())

    @invariant()
    def used_is_what_was_committed_and_leases_are_what_is_open(self) -> None:
        assert self.tally.used == self.uses
        assert self.tally.live(self.now) == sum(expires > self.now for expires in self.open.values())


TestCounter = CounterMachine.TestCase


def test_a_tally_tells_when_it_counted_also_after_a_reset() -> None:
    tally = Tally()
    for number in range(3):
        tally = tally.reserve(f"r{number}", 1000.0, 5, 0.0) or tally
        tally = tally.commit(f"r{number}", 100.0 + number).commit(f"r{number}", 900.0)
    assert (tally.uses, tally.reset().uses) == ((100.0, 101.0, 102.0), (100.0, 101.0, 102.0))
    assert Tally.from_document(tally.to_document()) == tally
    older = {name: value for name, value in tally.to_document().items() if name != "uses"}
    assert Tally.from_document(older).uses == (), "a document of an older version"
