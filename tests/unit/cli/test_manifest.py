"""Lists and manifests, as spreadsheets, shells and scripts write them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.batch.photos.manifest import Row, listed, rows
from perkie_cli.domain.errors import InvalidParameter, UnknownStyle
from perkie_cli.domain.people.identity import Owner

STYLES = {"ink": "ink_wash", "ink_wash": "ink_wash", "van_gogh": "van_gogh"}


def styles(words: str) -> list[str]:
    try:
        return [STYLES[word.strip()] for word in words.split(",")]
    except KeyError as error:
        raise UnknownStyle(f"unknown style {error}", hint="See perkie styles list.") from None


def read(data: bytes | str) -> list[Row]:
    return rows(data.encode() if isinstance(data, str) else data, "m.csv", styles)


FULL = Row(2, "a b.jpg", ("ink_wash", "van_gogh"), Owner.customer("42"), PurePath("x/a.jpg"))


@pytest.mark.parametrize(
    "data",
    [
        'path,owner,styles,output\na b.jpg,customer:42,"ink,van_gogh",x/a.jpg\n',
        '\ufeffpath;owner;styles;output\r\n"a b.jpg";42;"ink,van_gogh";x/a.jpg\r\n',
        "output\tstyles\towner\tpath\nx/a.jpg\tink,van_gogh\tcustomer:42\ta b.jpg",
        'path , owner,styles,output\n a b.jpg ,42,"ink, van_gogh", x/a.jpg\n\n,,,\n',
        '\n{"path": "a b.jpg", "owner": 42, "styles": ["ink", "van_gogh"], "output": "x/a.jpg"}\n\n',
        '\n{"styles": "ink,van_gogh", "path": "a b.jpg", "owner": "customer:42", "output": "x/a.jpg"}\r\n',
    ],
    ids=["csv", "BOM, semicolon, CRLF, quotes", "tabs", "spaces and empty rows", "jsonl", "jsonl, CRLF"],
)
def test_one_manifest_in_many_forms(data: str) -> None:
    assert read(data) == [FULL]


def test_only_the_path_is_needed() -> None:
    assert read('path\ncat.jpg\n"x, y.jpg"\n') == [Row(2, "cat.jpg"), Row(3, "x, y.jpg")]
    assert read('{"path": "cat.jpg", "owner": null}') == [Row(1, "cat.jpg")]
    assert read("path,owner\ncat.jpg,session:s1\n")[0].owner == Owner.session("s1")


def test_a_quoted_field_may_hold_a_line_break_and_lines_are_still_counted() -> None:
    assert [row.line for row in read('path\n"a\nb.jpg"\nc.jpg\n')] == [2, 4]


@pytest.mark.parametrize(
    ("data", "line", "told"),
    [
        ("file\na.jpg\n", 1, "there is no column 'file'"),
        ("path,onwer\na.jpg,1\n", 1, "there is no column 'onwer'"),
        ("owner\n42\n", 1, "the column path is missing"),
        ("path,path\na,b\n", 1, "a column is there twice"),
        ("path\na.jpg\nb.jpg,42\n", 3, "2 fields, but the header has 1"),
        ("path,owner\na.jpg\n", 2, "1 fields, but the header has 2"),
        ("path,owner\n,42\n", 2, "path is empty"),
        ("path,styles\na.jpg,ink\nb.jpg,oil\n", 3, "unknown style"),
        ("path,owner\na.jpg,../etc\n", 2, "customer id"),
        ("path,owner\na.jpg,admin:1\n", 2, "neither customer:ID nor session:ID"),
        ("path,output\na.jpg,/etc/passwd\n", 2, "leads out of the output folder"),
        ("path,output\na.jpg,../a.jpg\n", 2, "leads out of the output folder"),
        ('path\n"a.jpg\n', 2, "unexpected end of data"),
        ('{"path": "a.jpg"}\n{"path": ', 2, "not JSON"),
        ('{"path": "a.jpg"}\n[1]\n', 2, "each line is an object"),
        ('{"path": "a.jpg", "style": "ink"}\n', 1, "there is no column 'style'"),
        ('{"path": 7}\n', 1, "path is a text"),
        ('{"path": "a.jpg", "owner": true}\n', 1, "owner is a text"),
        ('{"path": "a\\u0000.jpg"}\n', 1, "path 'a\\x00.jpg' has a character that no file name has"),
        ('{"path": "a.jpg"}\n{"path": "b.jpg", "output": "\\ud800.jpg"}\n', 2, "output '\\ud800.jpg' has a character"),
        ('{"path": ' + "[" * 100_000, 1, "not JSON"),
    ],
)
def test_a_wrong_row_names_its_line(data: str, line: int, told: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        read(data)
    assert caught.value.message.startswith(f"m.csv:{line}: ")
    assert told in caught.value.message


def test_what_was_meant_is_guessed() -> None:
    with pytest.raises(InvalidParameter) as caught:
        read("path,onwer\na.jpg,1\n")
    assert "Did you mean 'owner'?" in (caught.value.hint or "")


def test_text_in_another_encoding_names_its_line() -> None:
    with pytest.raises(InvalidParameter, match=r"m\.csv:3: this is not UTF-8 text"):
        read("path\na.jpg\nkätzchen.jpg\n".encode("latin-1"))


names = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Z"]), min_size=1, max_size=12)


@given(st.lists(names, min_size=1, max_size=8), st.sampled_from(",;\t"), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_whatever_pythons_writer_writes_is_read(paths: list[str], separator: str, end: str, bom: bool) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator=end)
    writer.writerow(["path", "owner"])
    writer.writerows([path, "42"] for path in paths)
    data = out.getvalue().encode("utf-8-sig" if bom else "utf-8")
    assert [row.path for row in read(data)] == paths
    lines = "".join(json.dumps({"path": path}) + end for path in paths)
    assert [row.path for row in read(lines)] == paths


@given(st.binary(max_size=60))
def test_any_bytes_give_rows_or_one_error(data: bytes) -> None:
    try:
        read(data)
    except InvalidParameter as error:
        assert error.message.startswith("m.csv:")


def test_lists_of_paths() -> None:
    assert listed(b"a.jpg\r\n\n b.jpg\n\xff.jpg", "list", null=False) == ["a.jpg", " b.jpg", "\udcff.jpg"]
    assert listed(b"a\nb.jpg\0c.jpg\0", "list", null=True) == ["a\nb.jpg", "c.jpg"]
    with pytest.raises(InvalidParameter, match="NUL bytes") as caught:
        listed(b"a.jpg\0b.jpg\0", "list", null=False)
    assert "-0" in (caught.value.hint or "")
    with pytest.raises(InvalidParameter, match="lines, but no NUL bytes"):
        listed(b"a.jpg\nb.jpg\n", "list", null=True)
    assert listed(b"a.jpg", "list", null=True) == ["a.jpg"]
    assert [row.path for row in read('{"path": "\\udce9.jpg"}')] == ["\udce9.jpg"], "a name that is not UTF-8"
