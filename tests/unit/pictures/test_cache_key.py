from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.people.identity import Owner
from perkie_cli.domain.pictures.cache_key import (
    CacheKey,
    Recipe,
    content_hash,
    cutout_key,
    is_key,
    original_key,
    parse_name,
)

values = st.dictionaries(st.text(max_size=5), st.integers() | st.booleans() | st.text(max_size=5), max_size=5)


@given(values)
def test_a_fingerprint_does_not_hang_on_the_order_of_parameters(parameters: dict[str, object]) -> None:
    turned = dict(reversed(parameters.items()))
    assert Recipe("e", "m", "1", parameters).fingerprint == Recipe("e", "m", "1", turned).fingerprint


@given(values, values)
def test_other_parameters_other_fingerprint(one: dict[str, object], other: dict[str, object]) -> None:
    same = Recipe("e", "m", "1", one).fingerprint == Recipe("e", "m", "1", other).fingerprint
    # JSON tells true from 1, as Python's == does not
    assert same == (sorted(map(repr, one.items())) == sorted(map(repr, other.items())))


@given(st.text(max_size=30) | st.text("ab./\\_-~ \0\n", max_size=12))
def test_what_passes_for_a_key_cannot_leave_its_folder_or_be_another_keys_folder(text: str) -> None:
    if is_key(text):
        *folders, name = text.split("/")
        assert all(folder and "." not in folder for folder in folders)
        assert name.count(".") == 1
        assert not name.startswith(".")
        assert text.isascii()
        assert text.isprintable()


def test_every_place_of_the_layout_is_a_key_and_names_its_upload() -> None:
    key = CacheKey(content_hash(b"x"), "van_gogh_post_impressionism", "0123456789ab")
    owner = Owner.session("s-" * 60)
    for place, style in [
        (key.owned(owner), key.style),
        (key.shared("png"), key.style),
        (original_key(owner, key.hash, "png"), ""),
        (cutout_key(key.hash, "0123456789ab"), ""),
    ]:
        assert is_key(place)
        assert parse_name(place) == (key.hash, style)
