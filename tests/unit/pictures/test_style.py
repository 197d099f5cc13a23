from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.config.styles import as_toml, load_styles, read_style
from perkie_cli.domain.errors import InvalidSetting, UnknownStyle
from perkie_cli.domain.pictures.style import Parameter, Style, StyleCatalogue
from perkie_cli.engines.local.recipes import find_recipe


@pytest.fixture(scope="module")
def book() -> StyleCatalogue:
    return load_styles(Path("/nonexistent"))


def test_the_three_shipped_styles_with_their_shop_names(book: StyleCatalogue) -> None:
    assert {s.id: s.title for s in book.all()} == {
        "ink_wash": "Modern",
        "van_gogh_post_impressionism": "Classic",
        "bw_fine_art": "Perkie Print",
    }
    assert [s.id for s in book.select("popular")] == ["ink_wash", "van_gogh_post_impressionism"]
    for style in book.all():
        assert style.prompt != style.safe_prompt
        find_recipe(style.drawing).settle(style.parameters)  # raises when a shipped file is wrong


@pytest.mark.parametrize("name", ["ink_wash", "Modern", "INK-WASH", " modern "])
def test_names_are_taken_kindly(book: StyleCatalogue, name: str) -> None:
    assert book.get(name).id == "ink_wash"


def test_a_selection_keeps_order_and_drops_doubles(book: StyleCatalogue) -> None:
    assert [s.id for s in book.select("classic, modern,van_gogh")] == ["van_gogh_post_impressionism", "ink_wash"]
    assert len(book.select("all")) == 3


def test_an_unknown_style_names_the_nearest(book: StyleCatalogue) -> None:
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
        ('id = "a"\ntitle = 3\nprompt = "p"', "title must be text"),
        ('id = "ü"\ntitle = "T"\nprompt = "p"', "letters"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\naliases = [1]', "aliases must be strings"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\nlocal = 1', "local must be a table"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nreceipt = "x"', "[local]: unknown field 'receipt'"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nrecipe = 1', "[local]: recipe must be text"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nparameters = 1', "parameters must be a table"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local.parameters]\nink = [1]', "[local.parameters] must be numbers"),
    ],
)
def test_a_wrong_style_file_is_named_with_the_field(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    with pytest.raises(InvalidSetting, match=r"bad\.toml") as caught:
        read_style(file, "test")
    assert reason in caught.value.message


@pytest.mark.parametrize("name", ["modern", "Van-Gogh", "all", "popular"])
@pytest.mark.parametrize("field", ['id = "{}"', 'id = "a"\naliases = ["{}"]'])
def test_no_two_styles_share_a_name(tmp_path: Path, field: str, name: str) -> None:
    text = field.format(name.replace("-", "_") if field.startswith('id = "{}') else name)
    (tmp_path / "mine.toml").write_text(text + '\ntitle = "T"\nprompt = "p"\n')
    with pytest.raises(InvalidSetting, match=r"mine\.toml: the name .* is already taken"):
        load_styles(tmp_path)


def test_a_file_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "new.toml").touch()
    assert len(load_styles(tmp_path).all()) == 3
    (tmp_path / "link.toml").symlink_to("nowhere.toml")
    with pytest.raises(InvalidSetting, match=r"link\.toml"):
        load_styles(tmp_path)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
prompts = texts.map(str.strip).filter(bool)
parameters = st.dictionaries(
    st.from_regex(r"[a-z_]{1,9}", fullmatch=True),
    st.one_of(texts, st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False)),
)


@given(texts, prompts, prompts, st.lists(texts), parameters)
def test_any_style_that_is_shown_reads_back_the_same(
    title: str, prompt: str, safe: str, aliases: list[str], varied: dict[str, Parameter]
) -> None:
    style = Style("s", title, prompt, safe, "1", "ink_wash", tuple(aliases), varied)
    with tempfile.NamedTemporaryFile("w", suffix=".toml", encoding="utf-8", newline="") as file:
        file.write(as_toml(style))
        file.flush()
        assert read_style(Path(file.name), style.source) == style


def test_shown_styles_read_back_the_same(book: StyleCatalogue, tmp_path: Path) -> None:
    for style in book.all():
        file = tmp_path / f"{style.id}.toml"
        file.write_text(as_toml(style))
        assert read_style(file, style.source) == style
