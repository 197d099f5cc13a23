"""Scenario files: what is wrong is told with file, line and field, before anything starts."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perkie_cli.domain.errors import InvalidScenario
from perkie_cli.loadtest.reading.scenario_file import find, parse, service_levels, shipped
from perkie_cli.loadtest.thresholds import parse_rule
from tests.conftest import ROOT

GOOD = """\
title = "A test"

[[phase]]
rate = 10
duration = "5s"

[[request]]
name = "root"
path = "/"
"""


def test_every_shipped_scenario_reads_and_says_what_it_is() -> None:
    names = set(shipped())
    assert names == {
        *("smoke", "cached", "steady", "burst", "concurrency_100", "cold_start", "upload", "process_stream"),
        *("memory_pressure", "mixed"),
    }
    for name in names:
        found = find(name)
        assert found.title
        assert found.thresholds
        assert found.name == name


def test_the_burst_is_that_of_the_service_levels() -> None:
    burst = next(phase for phase in find("burst").phases if phase.name == "burst")
    assert (burst.rate, burst.duration) == (50, 30)
    assert find("steady").peak_rate == 10
    assert find("concurrency_100").phases[0].users == 100


def test_service_levels_are_rules() -> None:
    for rule in service_levels().values():
        parse_rule(rule)


def test_defaults_are_the_plain_ones() -> None:
    found = parse(GOOD, "own.toml")
    assert (found.name, found.title, found.open, found.duration) == ("own", "A test", True, 5.0)
    assert found.calls[0].expect == {200}
    assert found.phases[0].name == "phase 1"


WRONG = [
    ("duration = ", 'durration = "5s"\nduration = ', "line 5: phase[1].durration is not known here", "duration"),
    ("rate = 10", "rate = -1", "line 4: phase[1].rate must be from 0 to", ""),
    ("rate = 10", 'rate = "10"', "line 4: phase[1].rate must be a number", ""),
    ("rate = 10", "rate = true", "line 4: phase[1].rate must be a number", ""),
    ("rate = 10", "rate = nan", "line 4: phase[1].rate must be from", ""),
    ("rate = 10", "think = '1s'\nrate = 1", "line 4: phase[1].think is for users", ""),
    ("rate = 10", "users = 3\nrate = 1", "line 4: phase[1].users cannot be combined", ""),
    ("rate = 10", "", "line 3: phase[1] needs a rate", ""),
    ('"5s"', '"5 parsecs"', "line 5: phase[1].duration '5 parsecs' is not a duration", ""),
    ('"5s"', '"0s"', "line 5: phase[1].duration must be above 0", ""),
    ('path = "/"', 'path = "root"', "line 9: request[1].path must begin with /", ""),
    ('path = "/"', 'path = "/{customers}"', "line 9: request[1].path holds {customers}", ""),
    ('path = "/"', 'path = "/a b"', "line 9: request[1].path must begin", ""),
    ('path = "/"', 'path = "/"\nmethod = "GRAB"', "line 10: request[1].method is 'GRAB'", ""),
    ('path = "/"', 'path = "/"\nphoto = "image"', "line 7: request[1].method is GET", ""),
    ('path = "/"', 'path = "/"\nexpect = [99]', "line 10: request[1].expect must be a list of statuses", ""),
    ('path = "/"', 'path = "/"\ntimeout = "11m"', "line 10: request[1].timeout must be from", ""),
    ('path = "/"', 'path = "/"\nheaders = { Host = "x" }', "line 10: request[1].headers.Host is set by", ""),
    ('path = "/"', 'path = "/"\nheaders = { X = "a\\nb" }', "line 10: request[1].headers.X must be a text", ""),
    ('path = "/"', 'path = "/a#b"', "line 9: request[1].path must begin", ""),
    ('path = "/"', 'path = "/"\nmethod = "POST"\njson = { a = nan }', "line 11: request[1].json holds what JSON", ""),
    ('path = "/"', 'path = "/"\nmethod = "POST"\njson = { a = 2026-01-01 }', "line 11: request[1].json holds what", ""),
    ('path = "/"', 'path = "/"\n[photos]\nhit_rate = 0.5', "line 10: photos.warm must be above 0", ""),
    ('path = "/"', 'path = "/"\n[photos]\nside = 4.5', "line 11: photos.side must be a whole number", ""),
    ('path = "/"', 'path = "/"\n[[threshold]]\nrule = "p95<x"', "line 11: threshold[1].rule 'p95<x'", ""),
    ('path = "/"', 'path = "/"\n[[threshold]]\nrule = "speed<1s"', "line 11: threshold[1].rule 'speed<1s' is not", ""),
    ('path = "/"', 'path = "/"\n[[threshold]]\nlevel = "hits"', "line 11: threshold[1].level is 'hits'", "hit"),
    (
        'path = "/"',
        'path = "/"\n[[threshold]]\nrule = "p95<1s"\nrequest = "rot"',
        "line 12: threshold[1].request 'rot' does not exist",
        "root",
    ),
    ('path = "/"', 'path = "/"\n[self]\npicture = "big"', "line 11: self.picture is 'big'", ""),
    ('path = "/"', 'path = "/"\n[self]\ngemini = { fault = [{ kind = "x" }] }', "line 11: self.gemini", ""),
    ('path = "/"', 'path = "/"\n[[request]]\nname = "root"\npath = "/"', "request has a name twice", ""),
    ('title = "A test"', 'title = "A test"\nwarm_up = "5s"', "line 2: warm_up leaves nothing to measure", ""),
    ('title = "A test"', 'title = "A\\u001b[31m"', "line 1: title must be one line", ""),
    ('title = "A test"', "title = ", "is not valid TOML", ""),
    ("rate = 10", "rate = 1e6\nduration = '1h'\n[[phase]]\nrate = 1", "has more than 20,000,000 requests", ""),
]


@pytest.mark.parametrize(("old", "new", "message", "hint"), WRONG, ids=[each[2] for each in WRONG])
def test_a_wrong_field_is_told_with_file_line_and_name(old: str, new: str, message: str, hint: str) -> None:
    with pytest.raises(InvalidScenario) as error:
        parse(GOOD.replace(old, new), "own.toml")
    assert error.value.message.startswith("own.toml")
    assert message in error.value.message
    assert hint in (error.value.hint or "")
    assert error.value.exit_code == 3


def test_lines_are_counted_over_long_strings_and_comments() -> None:
    text = '# [[phase]]\ntitle = """\n[[request]]\nrate = 3"""\n' + GOOD.partition("\n")[2].replace("10", "-1")
    with pytest.raises(InvalidScenario, match=r"line 7: phase\[1\]\.rate"):
        parse(text, "own.toml")
    with pytest.raises(InvalidScenario, match=r"line 2: title must be one line"):
        parse(text.replace("-1", "1"), "own.toml")


def test_a_file_that_is_missing_or_not_text_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidScenario, match="no scenario 'steedy'") as error:
        find("steedy")
    assert "steady" in (error.value.hint or "")
    with pytest.raises(InvalidScenario, match="cannot be read"):
        find(str(tmp_path / "none.toml"))
    (tmp_path / "own.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidScenario, match="UTF-8"):
        find(str(tmp_path / "own.toml"))


@given(st.data())
def test_no_change_of_a_file_ends_in_anything_but_a_clear_error(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([GOOD, *shipped().values()]))
    at = data.draw(st.integers(0, len(text)))
    cut = data.draw(st.integers(0, 12))
    put = data.draw(st.text(max_size=6) | st.sampled_from(["[]", "{}", "true", '"', "1e999", "-1", "nan", "[[a]]\n"]))
    try:
        parse(text[:at] + put + text[at + cut :], "own.toml")
    except InvalidScenario as error:
        assert error.message.startswith("own.toml")


def test_the_documentation_names_every_promise_with_its_rule() -> None:
    page = (ROOT / "docs" / "load-testing.md").read_text("utf-8")
    table = page[page.index("| `level` | rule |") :].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]+)` \|$", table, re.MULTILINE))
    assert rows == service_levels()
