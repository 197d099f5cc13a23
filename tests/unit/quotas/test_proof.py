from __future__ import annotations

import pytest

from perkie_cli.domain.errors import Forbidden, InvalidIdentity
from perkie_cli.domain.people.identity import Owner, Tier
from perkie_cli.domain.people.proof import ACT_AS, Credential, Proof, identify
from perkie_cli.domain.quotas.limits import QuotaLimits

LIMITS, ADDRESS = QuotaLimits(), "203.0.113.9"
NOBODY = Credential(Proof.API_KEY)


@pytest.mark.parametrize(
    "credential",
    [
        Credential(Proof.LOOPBACK),
        Credential(Proof.PROXY_SIGNATURE, customer="42"),
        Credential(Proof.JWT, customer="42"),
        Credential(Proof.API_KEY, scopes=frozenset({ACT_AS})),
    ],
)
def test_a_proven_customer_is_the_owner_and_its_address_is_not_charged(credential: Credential) -> None:
    found = identify(credential, LIMITS, address=ADDRESS, customer="42", session="abc")
    assert found.owner == Owner.customer("42")
    assert [counter.name for counter in found.charge.counters] == ["customer:42"]


@pytest.mark.parametrize(
    "credential",
    [
        NOBODY,
        Credential(Proof.PROXY_SIGNATURE),
        Credential(Proof.PROXY_SIGNATURE, customer="43"),
        Credential(Proof.JWT, customer="43", scopes=frozenset({ACT_AS})),
        Credential(Proof.API_KEY, customer="42", scopes=frozenset({"generate"})),
    ],
)
def test_a_claimed_customer_is_refused(credential: Credential) -> None:
    with pytest.raises(Forbidden, match="not proven"):
        identify(credential, LIMITS, address=ADDRESS, customer="42")


def test_a_credential_that_names_a_customer_needs_no_claim() -> None:
    found = identify(Credential(Proof.JWT, customer="42"), LIMITS, address=ADDRESS, session="abc")
    assert found.owner == Owner.customer("42")


@pytest.mark.parametrize("blank", [None, ""])
def test_without_a_customer_the_session_counts_with_the_ceiling_and_without_both_the_address(blank: str | None) -> None:
    found = identify(NOBODY, LIMITS, address=ADDRESS, customer=blank, session="abc")
    assert [counter.name for counter in found.charge.counters] == ["session:abc", f"ceiling:{ADDRESS}"]
    found = identify(NOBODY, LIMITS, address="::ffff:203.0.113.9", customer=blank, session=blank)
    assert found.owner.tier is Tier.IP
    assert [counter.name for counter in found.charge.counters] == [f"ip:{ADDRESS}"]


@pytest.mark.parametrize("id_", ["../42", "a/b", "a\x00", "x" * 129, "-a", "a b", "ü"])
def test_ids_that_are_none_are_refused_before_any_proof(id_: str) -> None:
    with pytest.raises(InvalidIdentity):
        identify(Credential(Proof.LOOPBACK), LIMITS, address=ADDRESS, customer=id_)
    with pytest.raises(InvalidIdentity):
        identify(NOBODY, LIMITS, address=ADDRESS, session=id_)
