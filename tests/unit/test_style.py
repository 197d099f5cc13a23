from __future__ import annotations

from pathlib import Path

import pytest

from perkie_cli.config.styles import as_toml, load_styles, read_style
from perkie_cli.domain.errors import InvalidSetting, UnknownStyle
from perkie_cli.domain.style import StyleBook
from perkie_cli.engines.local.recipes import find_recipe


@pytest.fixture(scope="module")
def book() -> StyleBook:
    return load_styles(Path("/nonexistent"))


def test_the_three_shipped_styles_with_their_shop_names(book: StyleBook) -> None:
    assert {s.id: s.title for s in book.all()} == {
        "ink_wash": "Modern",
        "van_gogh_post_impressionism": "Classic",
        "bw_fine_art": "Perkie Print",
    }
    assert [s.id for s in book.select("popular")] == ["ink_wash", "van_gogh_post_impressionism"]
    for style in book.all():
        assert style.prompt != style.safe_prompt
        find_recipe(style.recipe).settle(style.parameters)  # raises when a shipped file is wrong


@pytest.mark.parametrize("name", ["ink_wash", "Modern", "INK-WASH", " modern "])
def test_names_are_taken_kindly(book: StyleBook, name: str) -> None:
    assert book.get(name).id == "ink_wash"


def test_a_selection_keeps_order_and_drops_doubles(book: StyleBook) -> None:
    assert [s.id for s in book.select("classic, modern,van_gogh")] == ["van_gogh_post_impressionism", "ink_wash"]
    assert len(book.select("all")) == 3


def test_an_unknown_style_names_the_nearest(book: StyleBook) -> None:
    with pytest.raises(UnknownStyle) as caught:
        book.get("ink_wsh")
    assert "'ink_wash'" in (caught.value.hint or "")
    with pytest.raises(UnknownStyle):
        book.select(" , ")


def test_an_own_style_overrides_and_adds(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('id = "ink_wash"\ntitle = "Mine"\nprompt = "p"\n[local]\nrecipe = "ink_wash"\n')
    (tmp_path / "new.toml").write_text('id = "sepia"\ntitle = "Sepia"\nprompt = "p"\n[local]\nrecipe = "bw_fine_art"\n')
    book = load_styles(tmp_path)
    assert book.get("ink_wash").title == "Mine"
    assert book.get("sepia").source.endswith("new.toml")
    assert len(book.all()) == 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("id = ", "Invalid value"),
        ('title = "T"\nprompt = "p"', "id is missing"),
        ('id = "a/b"\ntitle = "T"\nprompt = "p"', "letters"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\ncolour = 1', "unknown field 'colour'"),
        ('id = "a"\ntitle = 3\nprompt = "p"', "title must be str"),
    ],
)
def test_a_wrong_style_file_is_named_with_the_field(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(InvalidSetting, match=r"bad\.toml") as caught:
        read_style(file, "test")
    assert reason in caught.value.message


def test_shown_styles_read_back_the_same(book: StyleBook, tmp_path: Path) -> None:
    for style in book.all():
        file = tmp_path / f"{style.id}.toml"
        file.write_text(as_toml(style))
        assert read_style(file, style.source) == style
