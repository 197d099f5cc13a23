from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.batch.inputs import InputFile
from perkie_cli.batch.targets import plan_targets

ONE = ["_ink.jpg"]


def names(*files: str, tails: list[str] = ONE, out_dir: str | None = "out") -> list[str]:
    rows = plan_targets([InputFile(Path(file)) for file in files], tails, None, out_dir and Path(out_dir))  # type: ignore[arg-type]
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


words = st.text(alphabet="aA-_2.j", min_size=1, max_size=6).filter(lambda word: word.strip(".") != "")
files = st.builds(
    lambda folder, name, typed: InputFile(Path(typed, folder, name), Path(folder), from_folder=True),
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
    rows = plan_targets(inputs, [f"_{style}.jpg" for style in styles], None, None if beside else Path("out"))
    targets = [str(path).casefold() for row in rows for path in row]
    assert len(set(targets)) == len(targets) == len(inputs) * len(styles)
    for file, row in zip(inputs, rows, strict=True):
        assert {path.parent for path in row} == {file.path.parent if beside else Path("out") / file.folder}
