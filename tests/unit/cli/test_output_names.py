from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath

from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.batch.names import Origins, plan_targets
from perkie_cli.batch.photos.sources import FileSource, InputFile

ONE = ["_ink.jpg"]


def nothing(paths: Sequence[PurePath]) -> dict[PurePath, bytes]:
    """A record that knows of no file."""
    del paths
    return {}


def names(*files: str, tails: list[str] = ONE, out_dir: str | None = "out", origins: Origins = nothing) -> list[str]:
    inputs = [InputFile(FileSource(Path(file))) for file in files]
    rows = plan_targets(inputs, [tails] * len(inputs), None, None if out_dir is None else Path(out_dir), origins)
    return [str(path) for row in rows for path in row]


def test_the_usual_case_is_plain() -> None:
    assert names("a.jpg", "b.png", tails=["_ink.jpg", "_bw.jpg"], out_dir=None) == [
        "a_ink.jpg",
        "a_bw.jpg",
        "b_ink.jpg",
        "b_bw.jpg",
    ]


def test_one_stem_twice_gets_its_ending_then_a_number() -> None:
    assert names("a.jpg", "a.png") == ["out/a-jpg_ink.jpg", "out/a-png_ink.jpg"]
    assert names("x/a.jpg", "y/a.jpg") == ["out/a-jpg_ink.jpg", "out/a-jpg-2_ink.jpg"]
    assert names("a.jpg", "a.png", "a-jpg.webp") == ["out/a-jpg_ink.jpg", "out/a-png_ink.jpg", "out/a-jpg-2_ink.jpg"]
    assert names("a", "b/a") == ["out/a_ink.jpg", "out/a-2_ink.jpg"]


def test_a_style_of_one_input_does_not_meet_the_name_of_another() -> None:
    assert names("cat.png", "cat_my.png", tails=["_ink.jpg", "_my_ink.jpg"]) == [
        "out/cat_ink.jpg",
        "out/cat_my_ink.jpg",
        "out/cat_my-2_ink.jpg",
        "out/cat_my-2_my_ink.jpg",
    ]


def test_an_output_that_a_row_names_is_no_other_rows() -> None:
    first, second = (InputFile(FileSource(Path(f"{name}.jpg"))) for name in "ab")
    files = [first, replace(second, output=PurePath("A_ink.jpg"))]
    rows = plan_targets(files, [ONE, ONE], None, Path("out"), nothing)
    assert [str(path) for row in rows for path in row] == ["out/a-2_ink.jpg", "out/A_ink.jpg"]
    pets = plan_targets([first, replace(second, output=PurePath("a"))], [["/ink.jpg"]] * 2, None, Path("out"), nothing)
    assert [str(path) for row in pets for path in row] == ["out/a-2/ink.jpg", "out/a/ink.jpg"]


def test_a_name_does_not_depend_on_which_of_a_folders_photos_are_given(tmp_path: Path) -> None:
    for name in ("cat.jpg", "cat.png", "dog.png"):
        (tmp_path / name).write_bytes(b"photo")
    both = names(str(tmp_path / "cat.jpg"), str(tmp_path / "cat.png"), str(tmp_path / "dog.png"))
    assert both == ["out/cat-jpg_ink.jpg", "out/cat-png_ink.jpg", "out/dog_ink.jpg"]
    assert [*names(str(tmp_path / "cat.png")), *names(str(tmp_path / "dog.png"))] == both[1:]


def test_an_output_that_is_recorded_keeps_its_name_whatever_comes_later() -> None:
    first = FileSource(Path("x/a.jpg")).key
    made = lambda paths: {path: first for path in paths if path == Path("out/a_ink.jpg")}  # noqa: E731
    assert names("w/a.jpg", "x/a.jpg", origins=made) == ["out/a-jpg_ink.jpg", "out/a_ink.jpg"]
    again = lambda paths: {path: first for path in paths if path == Path("out/a-jpg-2_ink.jpg")}  # noqa: E731
    assert names("x/a.jpg", "w/a.jpg", origins=again) == ["out/a-jpg-2_ink.jpg", "out/a-jpg_ink.jpg"]


words = st.text(alphabet="aA-_2.j", min_size=1, max_size=6).filter(lambda word: word.strip(".") != "")
files = st.builds(
    lambda folder, name, typed: InputFile(FileSource(Path(typed, folder, name)), Path(folder), from_folder=True),
    st.sampled_from(["", "x", "y"]),
    words,
    st.sampled_from(["p", "q"]),
)


@given(
    st.lists(files, max_size=12, unique_by=lambda file: file.path),
    st.lists(words, min_size=1, max_size=3, unique_by=str.casefold),
    st.booleans(),
)
def test_no_two_inputs_ever_share_a_target(inputs: list[InputFile], styles: list[str], beside: bool) -> None:
    tails = [f"_{style}.jpg" for style in styles]
    rows = plan_targets(inputs, [tails] * len(inputs), None, None if beside else Path("out"), nothing)
    targets = [str(path).casefold() for row in rows for path in row]
    assert len(set(targets)) == len(targets) == len(inputs) * len(styles)
    for file, row in zip(inputs, rows, strict=True):
        assert {path.parent for path in row} == {file.path.parent if beside else Path("out") / file.folder}
