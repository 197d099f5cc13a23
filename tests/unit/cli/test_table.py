"""Tables keep whole what may have to be copied, at any width."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from perkie_cli.cli.table import Table, drawn

WORD = st.text(st.sampled_from("abcxyz_-/.猫"), min_size=1, max_size=12)
PROSE = st.lists(WORD, min_size=1, max_size=4).map(" ".join)


def printed(table: Table, room: int) -> list[str]:
    out = io.StringIO()
    width = max(room, table.least_width)
    Console(file=out, width=width, highlight=False).print(drawn(table, width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


@given(st.lists(st.tuples(WORD, PROSE, WORD), min_size=1, max_size=5), st.integers(1, 100))
def test_ids_and_words_are_never_broken(rows: list[tuple[str, str, str]], room: int) -> None:
    table = Table(("id", "about", "from"), rows, prose=frozenset({"about"}))
    text = printed(table, room)
    words = " ".join(text).split()
    for id_, about, source in rows:
        assert any(line.startswith(f"{id_} ") for line in text)
        assert {id_, source, *about.split()} <= set(words)
    assert max(map(cell_len, text)) <= max(room, table.least_width)


def test_prose_folds_to_the_terminal_and_the_rest_does_not() -> None:
    rows = [("my_very_special_ink_style_of_the_shop", "An ink wash on warm paper with a red seal", "built in")]
    text = printed(Table(("id", "title", "from"), rows, prose=frozenset({"title"})), 80)
    assert len(text) == 3
    assert text[1].startswith("my_very_special_ink_style_of_the_shop  An ink wash on")
    assert text[1].endswith("built in")
