from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import InvalidIdentity
from perkie_cli.domain.people.identity import ANONYMOUS, Owner


@given(st.text())
def test_no_id_leaves_its_folder(value: str) -> None:
    for make in (Owner.customer, Owner.session):
        try:
            folder = make(value).folder
        except InvalidIdentity:
            continue
        assert folder.count("/") == 1
        assert ".." not in folder
        assert folder.isascii()
        assert folder.isprintable()


@pytest.mark.parametrize("value", ["", "..", "a/b", "a\\b", "a\n", ".hidden", "x" * 129, "ünïcode", "-flag", "a b"])
def test_tricks_are_refused(value: str) -> None:
    with pytest.raises(InvalidIdentity):
        Owner.customer(value)


def test_a_session_cannot_take_the_anonymous_folder() -> None:
    with pytest.raises(InvalidIdentity, match="reserved"):
        Owner.session("anonymous")
    assert ANONYMOUS.folder == "temp/anonymous"


def test_addresses_have_one_spelling_and_ipv6_counts_by_household() -> None:
    assert Owner.address("::ffff:192.0.2.1") == Owner.address("192.0.2.1")
    assert Owner.address("2001:db8:0:1::5") == Owner.address("2001:db8:0:1:ffff::1")
    assert Owner.address("2001:db8:0:1::5") != Owner.address("2001:db8:0:2::5")
    with pytest.raises(InvalidIdentity):
        Owner.address("not an address")
