from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.cli.flags import SWITCHES, VALUES, GlobalFlags, hoist

words = st.text(alphabet="abc-=.", min_size=1, max_size=6).filter(
    lambda word: word not in SWITCHES and word.partition("=")[0] not in VALUES and word != "--"
)


def test_flags_after_the_command_are_hoisted_with_their_values() -> None:
    typed = ["stylize", "pet.jpg", "--json", "--config", "a.toml", "--profile=prod", "-q"]
    assert hoist(typed) == ["--json", "--config", "a.toml", "--profile=prod", "-q", "stylize", "pet.jpg"]


def test_what_follows_a_double_dash_is_left_alone() -> None:
    assert hoist(["stylize", "--", "--json"]) == ["stylize", "--", "--json"]


def test_a_value_flag_at_the_very_end_stays_so_that_the_parser_can_complain() -> None:
    assert hoist(["stylize", "--config"]) == ["--config", "stylize"]


@given(st.lists(words), st.lists(st.sampled_from(sorted(SWITCHES))), st.randoms())
def test_hoisting_keeps_every_word_and_the_order_of_the_rest(rest: list[str], flags: list[str], random: object) -> None:
    mixed = [*rest, *flags]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    moved = hoist(mixed)
    assert sorted(moved) == sorted(mixed)
    assert [word for word in moved if word not in SWITCHES] == [word for word in mixed if word not in SWITCHES]
    assert hoist(moved) == moved


def test_switches_of_one_letter_may_be_written_together() -> None:
    assert hoist(["stylize", "a.jpg", "-qv"]) == ["-qv", "stylize", "a.jpg"]
    assert hoist(["cache", "purge", "-qy", "-", "-1"]) == ["cache", "purge", "-qy", "-", "-1"], "-y is the command's"
    assert GlobalFlags.peek(["-qv", "stylize"]) == GlobalFlags(quiet=True, verbose=True)


def test_peek_sees_the_switches_at_the_front_only() -> None:
    assert GlobalFlags.peek(["--json", "-v", "stylize"]) == GlobalFlags(json=True, verbose=True)
    assert GlobalFlags.peek(["--config", "--json", "stylize"]) == GlobalFlags(), "that is the name of a file"
    assert GlobalFlags.peek(["--config=a", "-q", "stylize", "--", "--json"]) == GlobalFlags(quiet=True)
