"""Experiments as files: JSON and YAML, and errors that name file, line and field."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import BadInput
from perkie_cli.loadtest.chaos.document.shipped import shipped, title_of
from perkie_cli.loadtest.chaos.document.source import parse_experiment, read_experiment

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(VALUES)
def test_json_is_read_as_pythons_own_reader_does(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, indent="\t", ensure_ascii=False)):
        assert parse_experiment(text, "a.json").document == value


@given(st.dictionaries(TEXTS.filter(lambda text: text != "<<"), VALUES, max_size=3))
def test_yaml_is_read_as_pyyaml_does(value: object) -> None:
    assert parse_experiment(yaml.safe_dump(value), "a.yaml").document == value


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.json", '{\n "a": 1,\n}', "a.json:3: not JSON"),
        ("a.json", '{"a": [\n\t{"b": 1,\n\t"b": 2}]}', "a.json:3: a[0].b: given twice"),
        ("a.yaml", "a: 1\nb: {\n", "a.yaml:3: not YAML"),
        ("a.yaml", "a:\n  b: 1\n  b: 2\n", "a.yaml:3: a.b: given twice"),
        ("a.yml", "a: !!python/object/apply:os.system ['id']", "a.yml:1: not YAML"),
        ("a.yaml", "x: 1\na: 2024-13-45\n", "a.yaml:2: a: month must be"),
        ("a.yaml", "x: 1\n? [1]\n: 2\n", "a.yaml:2: a key that is no text"),
        ("a.yaml", "a: 1\n---\nb: 2\n", "a.yaml:2: not YAML"),
        ("a.yaml", "a: \x07", "a.yaml: not YAML"),
        ("a.yaml", "a: &a [*a]", "without an end"),
        ("a.yaml", "a: " + "[" * 5000, "a.yaml"),
        ("a.json", "[" * 100_000, "a.json: nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(name: str, text: str, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse_experiment(text, name)
    assert said in caught.value.message


def test_a_billion_laughs_end_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    with pytest.raises(BadInput, match="20000 fields"):
        parse_experiment("\n".join(lines), "a.yaml")


def test_merge_keys_are_no_repetition() -> None:
    text = "base: &base {a: 1, b: 2}\nmade:\n  <<: *base\n  b: 3\n"
    assert parse_experiment(text, "a.yaml").document["made"] == {"a": 1, "b": 3}


def test_an_error_names_the_nearest_line() -> None:
    source = parse_experiment("title: x\nmethod:\n  - name: a\n    provider:\n      type: http\n", "a.yaml")
    assert source.wrong(("method", 0, "provider", "url"), "is missing").message == (
        "a.yaml:4: method[0].provider.url: is missing"
    )


@pytest.mark.parametrize("name", ["gemini-outag", "no.yaml", "folder.json", "big.yaml", "latin.yaml"])
def test_a_file_that_is_none_is_a_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "big.yaml").write_bytes(b"a" * (1024 * 1024 + 1))
    (tmp_path / "latin.yaml").write_bytes(b"title: caf\xe9")
    given = name if "." not in name else str(tmp_path / name)
    with pytest.raises(BadInput) as caught:
        read_experiment(given)
    assert name.split(".", maxsplit=1)[0] in caught.value.message
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_experiment_begins_with_its_title(name: str) -> None:
    assert title_of(shipped()[name]) == read_experiment(name).document["title"]
