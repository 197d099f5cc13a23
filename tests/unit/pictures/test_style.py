from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.config.style_file import line_of, read_style
from perkie_cli.config.style_toml import as_toml
from perkie_cli.config.styles import check_styles, load_styles
from perkie_cli.domain.errors import InvalidSetting, UnknownStyle
from perkie_cli.domain.pictures.style import BrokenStyle, Parameter, Style, StyleCatalogue
from perkie_cli.engines.local.recipes import RECIPES, drawing_faults, find_recipe


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
    ("text", "line", "reason"),
    [
        ("id = ", 1, "Invalid value"),
        ("\n\nid = 'a\n", 3, "at end of document"),
        ('title = "T"\nprompt = "p"', None, "id is missing"),
        ('id = "a/b"\ntitle = "T"\nprompt = "p"', 1, "letters"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\ncolour = 1', 4, "unknown field 'colour'"),
        ('id = "a"\ntitle = 3\nprompt = "p"', 2, "title must be text"),
        ('id = "ü"\ntitle = "T"\nprompt = "p"', 1, "letters"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\naliases = [1]', 4, "aliases must be strings"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\nlocal = 1', 4, "local must be a table"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nreceipt = "x"', 5, "unknown field 'local.receipt'"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nrecipe = 1', 5, "local.recipe must be text"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nrecipe = "inc"', 5, "unknown local recipe 'inc'"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local]\nparameters = 1', 5, "parameters must be a table"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local.parameters]\nink = [1]', 5, "ink must be a number"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\n[local.parameters]\n\nseel = true', 6, "no parameter 'seel'"),
        ('id = "a"\ntitle = "T"\nprompt = "p"\nlocal = {parameters = {ink = 9}}', 4, "0.4 to 1.6, not 9"),
        ("a = " + 3000 * "[", None, "nested too deeply"),
        ("# nothing yet", None, "the file is empty"),
    ],
)
def test_a_wrong_style_file_is_named_with_line_and_field(
    tmp_path: Path, text: str, line: int | None, reason: str
) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(text)
    broken = read_style(file, str(file), drawing_faults)
    assert isinstance(broken, BrokenStyle)
    assert (reason in broken.faults[0].message, broken.faults[0].line) == (True, line), broken.faults
    assert f"bad.toml{'' if line is None else f':{line}'}: " in broken.error.message


def test_all_faults_of_a_file_are_found_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text('id = "a"\ntilte = "T"\nprompt = """\nink = 3\n"""\n[local.parameters]\nink = 9\nseel = true\n')
    (broken,) = check_styles(tmp_path, (), drawing_faults)
    assert isinstance(broken, BrokenStyle)
    assert [(each.field, each.line) for each in broken.faults] == [
        ("tilte", 2),
        ("title", None),
        ("local.parameters.ink", 7),
        ("local.parameters.seel", 8),
    ]
    assert "Did you mean 'title'?" in (broken.faults[0].hint or "")
    assert "Did you mean 'seal'?" in (broken.faults[3].hint or "")


def test_a_broken_file_stops_no_other_style(tmp_path: Path) -> None:
    (tmp_path / "z.toml").write_text("id = ")
    (tmp_path / "mine.toml").write_text('id = "van_gogh_post_impressionism"\ntitle = "Mine"\nprompt = 7\n')
    (tmp_path / "gone.toml").symlink_to("nowhere.toml")
    book = load_styles(tmp_path)
    assert [style.id for style in book.select("all")] == ["ink_wash", "bw_fine_art"]
    assert [each.id for each in book.broken] == ["gone", "van_gogh_post_impressionism", "z"]
    for name in ("z", "Van-Gogh", "classic", "gone"):  # the shipped style never stands in for its broken copy
        with pytest.raises(InvalidSetting, match=r"style file .*\.toml"):
            book.get(name)
    assert book.get("modern").id == "ink_wash"


@pytest.mark.parametrize("name", ["modern", "Van-Gogh", "all", "popular"])
@pytest.mark.parametrize("field", ['id = "{}"', 'id = "a"\naliases = ["{}"]'])
def test_no_two_styles_share_a_name(tmp_path: Path, field: str, name: str) -> None:
    text = field.format(name.replace("-", "_") if field.startswith('id = "{}') else name)
    (tmp_path / "mine.toml").write_text(text + '\ntitle = "T"\nprompt = "p"\n')
    (broken,) = load_styles(tmp_path).broken
    assert "is already taken" in broken.error.message
    assert len(load_styles(tmp_path).all()) == 3


def test_two_files_with_one_id_are_a_fault_of_the_second(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text('id = "same"\ntitle = "T"\nprompt = "p"\n')
    book = load_styles(tmp_path)
    assert book.get("same").source.endswith("a.toml")
    assert "'same' is already taken (same in a.toml)" in book.broken[0].error.message


def test_a_file_outside_the_folder_is_checked_beside_its_styles(tmp_path: Path) -> None:
    own = tmp_path / "styles"
    own.mkdir()
    (own / "a.toml").write_text('id = "same"\ntitle = "T"\nprompt = "p"\n')
    outside = tmp_path / "b.toml"
    outside.write_text('id = "same"\ntitle = "T"\nprompt = "p"\n')
    (broken,) = check_styles(own, [outside], drawing_faults)
    assert isinstance(broken, BrokenStyle)
    (good,) = check_styles(own, [own / "a.toml"], drawing_faults)
    assert isinstance(good, Style)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('\ufeffid = "a"\ntitle = "T"\nprompt = "p"\n', "utf-8")
    assert load_styles(tmp_path).get("a").title == "T"


def test_a_file_that_is_being_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "new.toml").touch()
    assert len(load_styles(tmp_path).all()) == 3
    (broken,) = check_styles(tmp_path, (), drawing_faults)
    assert isinstance(broken, BrokenStyle)


def test_a_copy_is_popular_only_by_its_own_word(book: StyleCatalogue, tmp_path: Path) -> None:
    """Otherwise each copy would be drawn, and paid, for every visitor of the shop."""
    shown = as_toml(book.get("ink_wash"))
    (tmp_path / "copy.toml").write_text(shown.replace('"ink_wash"', '"my_ink"', 1).replace('["modern"]', "[]"))
    assert [style.id for style in load_styles(tmp_path).select("popular")] == [
        "ink_wash",
        "van_gogh_post_impressionism",
    ]
    (tmp_path / "copy.toml").write_text((tmp_path / "copy.toml").read_text().replace("# popular", "popular"))
    assert "my_ink" in [style.id for style in load_styles(tmp_path).select("popular")]


def test_a_replaced_style_stays_popular(book: StyleCatalogue, tmp_path: Path) -> None:
    (tmp_path / "ink.toml").write_text(as_toml(book.get("ink_wash")).replace("Modern", "Mine"))
    mine = load_styles(tmp_path).get("ink_wash")
    assert (mine.title, mine.popular) == ("Mine", True)


def test_every_parameter_is_shown_with_value_range_and_default(book: StyleCatalogue) -> None:
    for style in book.all():
        recipe = RECIPES[style.drawing]
        shown = as_toml(style, recipe.facts())
        for name, parameter in recipe.parameters.items():
            assert f"\n{name} = " in shown
            assert parameter.allowed in " ".join(shown.replace("\n#", "").split())


@given(
    st.lists(st.sampled_from(["# a", "", "x = 1", 'y = """\nkey = 1\n"""', "[t]", "[t.u]", "v.w = 2"]), unique=True),
)
def test_the_line_of_a_key_is_where_it_begins(before: list[str]) -> None:
    ahead = "\n".join(sorted(before, key=lambda line: line.startswith("[")))
    assert line_of(f"{ahead}\n[last]\nkey = 5\n", ["last", "key"]) == ahead.count("\n") + 3


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
        assert read_style(file, style.source, popular={style.id} if style.popular else ()) == style
