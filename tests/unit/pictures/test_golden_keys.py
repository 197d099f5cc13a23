"""Fingerprints and keys written out. One that changes orphans every stored picture, and all are paid for again.

So a red test here means: either the change is a mistake, or it is meant, and the changelog says what it costs.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

import pytest

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.people.identity import ANONYMOUS, Owner
from perkie_cli.domain.pictures.cache_key import (
    HASH_LENGTH,
    CacheKey,
    Recipe,
    check_key,
    content_hash,
    cutout_key,
    is_key,
    original_key,
    parse_name,
)

PHOTO = b"a photo"
HASH = "d4e24d749a4fe2f161af2de913c0402b04e3ae287dafd0f9dbfa4a5c56c69285"  # printf 'a photo' | sha256sum
GEMINI = Recipe("gemini", "gemini-nano-banana-2.1", "1", {"size": 1024, "prompts": "0f0e0d0c0b0a"})
INK = Recipe("local", "ink_wash", "2", {"seed": 7, "wash": 0.5, "seal": True, "size": 1024})
NETWORK = Recipe("inspyrenet", "inspyrenet-base", "1", {"checkpoint": "d692e3dd5fa1b9658949d452bebf1cda"})


def test_an_upload_is_named_by_its_sha_256() -> None:
    assert content_hash(PHOTO) == HASH
    assert len(HASH) == HASH_LENGTH


@pytest.mark.parametrize(
    ("recipe", "fingerprint"),
    [
        (GEMINI, "ccf056e7fa2a"),
        (INK, "2492333c80f6"),
        (NETWORK, "a06ee946087c"),
        (Recipe("builtin", "builtin", "1"), "2afc973ec5b6"),
        (GEMINI.with_cutout(NETWORK.fingerprint), "740e0516df3f"),
        (INK.with_cutout(None), "2492333c80f6"),
        (Recipe("e", "m", "1", {"price": Decimal("0.50")}), "2dd3956dcc54"),
        (Recipe("local", "mine", "1", {"title": "Ölbild"}), "8c36a77c29b9"),
    ],
    ids=[
        "gemini",
        "local",
        "inspyrenet",
        "builtin",
        "gemini of a cut-out",
        "local of no cut-out",
        "not a JSON value",
        "not ASCII",
    ],
)
def test_fingerprints(recipe: Recipe, fingerprint: str) -> None:
    assert recipe.fingerprint == fingerprint


def test_a_fingerprint_is_of_the_canonical_json() -> None:
    """Whoever rebuilds it elsewhere needs no more than this."""
    written = b'["gemini","gemini-nano-banana-2.1","1",{"prompts":"0f0e0d0c0b0a","size":1024}]'
    assert GEMINI.fingerprint == hashlib.sha256(written).hexdigest()[:12]


@pytest.mark.parametrize(
    "other",
    [
        Recipe("other", "m", "1", {"size": 1}),
        Recipe("e", "other", "1", {"size": 1}),
        Recipe("e", "m", "other", {"size": 1}),
        Recipe("e", "m", "1", {"size": 2}),
        Recipe("e", "m", "1", {"other": 1}),
        Recipe("e", "m", "1", {"size": 1}).with_cutout("0123456789ab"),
        Recipe("e", "m", "1", {"size": 1}).with_cutout("0123456789ac"),
    ],
    ids=["engine", "model", "version", "value", "parameter", "cut-out", "another cut-out"],
)
def test_each_part_of_a_recipe_alone_changes_the_fingerprint(other: Recipe) -> None:
    assert other.fingerprint != Recipe("e", "m", "1", {"size": 1}).fingerprint
    assert other.fingerprint != Recipe("e", "m", "1", {"size": 1}).with_cutout("fedcba987654").fingerprint


KEY = CacheKey(HASH, "ink_wash", "2492333c80f6")
CUSTOMER, SESSION, ADDRESS = Owner.customer("42"), Owner.session("s-1_a"), Owner.address("2001:db8::1")


@pytest.mark.parametrize(
    ("key", "written"),
    [
        (KEY.owned(CUSTOMER), f"generated/customers/42/{HASH}_ink_wash_2492333c80f6.jpg"),
        (KEY.owned(SESSION), f"generated/temp/s-1_a/{HASH}_ink_wash_2492333c80f6.jpg"),
        (KEY.owned(ADDRESS), f"generated/temp/anonymous/{HASH}_ink_wash_2492333c80f6.jpg"),
        (KEY.owned(ANONYMOUS, "png"), f"generated/temp/anonymous/{HASH}_ink_wash_2492333c80f6.png"),
        (KEY.shared(), f"shared/d4/{HASH}_ink_wash_2492333c80f6.jpg"),
        (KEY.shared("png"), f"shared/d4/{HASH}_ink_wash_2492333c80f6.png"),
        (original_key(CUSTOMER, HASH, "jpg"), f"originals/customers/42/{HASH}.jpg"),
        (original_key(SESSION, HASH, "png"), f"originals/temp/s-1_a/{HASH}.png"),
        (original_key(ADDRESS, HASH, "webp"), f"originals/temp/anonymous/{HASH}.webp"),
        (original_key(ANONYMOUS, HASH, "jpg"), f"originals/temp/anonymous/{HASH}.jpg"),
        (cutout_key(HASH, "a06ee946087c"), f"cutouts/d4/{HASH}_a06ee946087c.png"),
    ],
)
def test_keys(key: str, written: str) -> None:
    assert key == written
    assert check_key(key) == key
    assert parse_name(key) == (HASH, "ink_wash" if "ink_wash" in key else "")


LONG = "x" * 200
FULL = f"{LONG}/{LONG}/{'y' * 106}.png"  # 512 characters


@pytest.mark.parametrize(
    "key", ["a.b", f"{LONG}/{LONG}.png", "a.abcdefghij", FULL, "A-Z_0/9-_.JPG"], ids=lambda key: key[:12]
)
def test_keys_that_every_store_can_keep(key: str) -> None:
    assert is_key(key)


@pytest.mark.parametrize(
    "key",
    [
        FULL.replace("y.", "yy."),
        f"x{LONG}/a.png",
        f"x{LONG}.png",
        "a.abcdefghijk",
        "fold.er/a.png",
        "a..png",
        "a.tar.gz",
        "a.png\n",
        "a.png/",
        " a.png",
        "/a.png",
        "a//b.png",
        "../a.png",
        "a",
        "a.",
        ".png",
        "",
        "ä.png",
    ],
    ids=repr,
)
def test_what_is_no_key_is_refused(key: str) -> None:
    assert not is_key(key)
    with pytest.raises(InvalidParameter, match="is not a storage key"):
        check_key(key)
