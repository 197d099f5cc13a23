"""Reports: JSON by its schema, JUnit as its readers take it, Markdown of a bounded size, HTML without scripts."""

import json
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import jsonschema_rs
import junitparser
import pytest
from markdown_it import MarkdownIt

from perkie_cli.domain.errors import UsageError
from perkie_cli.loadtest.pages import as_html, as_junit, as_markdown, check_suffix, write
from perkie_cli.loadtest.report import Report, as_json
from perkie_cli.loadtest.reporting import report_of
from perkie_cli.loadtest.scenario import Call, Phase
from perkie_cli.loadtest.tally import Outcome, Sample
from perkie_cli.reports.markdown import escape
from tests.conftest import ROOT
from tests.loadtest import scenario
from tests.unit.loadtest.test_verdict import run, threshold

HOSTILE = "\x00\x0b\x1b[31m </pre><script>alert(1)</script> | ``` \ud800 ]]> &amp; é"


def report(**changes: object) -> Report:
    found = scenario(
        title="A test",
        phases=(Phase("steady", 20.0, rate=5.0), Phase("burst", 10.0, rate=50.0)),
        calls=(Call("root", "/"), Call("other", "/o")),
        thresholds=(threshold("p95<150ms"), threshold("error_rate<1%", call="root")),
        warm_up=2.0,
    )
    made = run(found, **changes)  # type: ignore[arg-type]
    cell = made.tally.cell("steady", "root")
    cell.outcomes[Outcome.ERROR] = 3
    cell.statuses.update({200: 100, 503: 3})
    cell.errors[HOSTILE] = 3
    made.tally.sample(Sample(HOSTILE, "root", 503, 4.0, HOSTILE * 20))
    for at in range(30):
        made.tally.timeline.second(at).bins[100 + at] = 5
    return report_of(made)


def test_the_json_report_fits_its_published_schema() -> None:
    schema = json.loads((ROOT / "docs" / "load-report.schema.json").read_text())
    validator = jsonschema_rs.validator_for(schema)
    for found in (report(), report(ok=0), report(lag=1.0)):
        table = json.loads(as_json(found).replace("\\ud800", ""))  # the validator takes no lone surrogates
        errors = [f"{list(error.instance_path)}: {error.message}" for error in validator.iter_errors(table)]
        assert errors == []
    assert not validator.is_valid({**table, "status": "fine"})
    assert not validator.is_valid({**table, "more": 1})
    assert not validator.is_valid({name: value for name, value in table.items() if name != "total"})


def test_the_schema_has_not_drifted() -> None:
    from tests.made_schema import LOAD_REPORT, load_report_document

    assert json.loads(LOAD_REPORT.read_text()) == load_report_document(), "make it again: python -m tests.made_schema"


def test_junit_has_a_case_for_each_threshold_and_reads_whatever_a_server_answered() -> None:
    document = junitparser.JUnitXml.fromstring(as_junit(report(latency=0.2)))
    suite = next(iter(document))
    cases = {case.name: case for case in suite}
    assert set(cases) == {"the run is valid", "p95<150ms", "error_rate<1% of root"}
    assert (suite.tests, suite.failures, suite.errors) == (3, 2, 0)
    failure = cases["p95<150ms"].result[0]
    assert isinstance(failure, junitparser.Failure)
    assert failure.message == "p95<150ms is 200 ms"
    assert "alert(1)" in (failure.text or "")
    assert cases["the run is valid"].is_passed


def test_an_invalid_run_is_an_error_in_junit() -> None:
    suite = next(iter(junitparser.JUnitXml.fromstring(as_junit(report(lag=1.0)))))
    case = next(case for case in suite if case.name == "the run is valid")
    assert isinstance(case.result[0], junitparser.Error)
    assert case.result[0].type == "invalid"
    assert suite.errors == 1


class Checker(HTMLParser):
    VOID = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_file_without_scripts_styles_and_addresses() -> None:
    page = as_html(report())
    checker = Checker()
    checker.feed(page)
    assert checker.open == []
    assert not {"script", "style", "link", "img", "iframe", "object"} & set(checker.tags)
    assert not {name for name in checker.attributes if name.startswith("on") or name in ("src", "href", "srcset")}
    assert "url(" not in page
    assert page.count("<svg") == 3
    for chart in page.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + chart.partition("</svg>")[0] + "</svg>")
    page.encode("utf-8")


def test_the_page_of_a_day_is_no_larger_than_that_of_an_hour() -> None:
    found = report()
    rows = [replace(found.timeline[0], at=at) for at in range(86_400)]
    day = replace(found, seconds=86_400.0, timeline=rows)
    hour = replace(found, seconds=3_600.0, timeline=rows[:3600])
    assert len(as_html(day)) < 1.5 * len(as_html(hour)) < 300_000


def test_html_and_markdown_tell_the_outcome_and_quote_answers_safely() -> None:
    found = report(latency=0.2)
    for text in (as_html(found), as_markdown(found)):
        assert "failed: 2 of 2 thresholds do not hold" in text
        assert "p95" in text
        assert "<script>alert" not in text


def test_markdown_stays_below_what_a_ci_shows() -> None:
    found = report()
    many = replace(found, errors=[replace(found.errors[0], reason=HOSTILE * 500)] * 10)
    for each in (found, many):
        assert len(as_markdown(each).encode("utf-8", "replace")) < 64 * 1024


def test_a_ci_shows_texts_of_markdown_as_they_are() -> None:
    text = r"error_rate<2% & p95>=1s, `a|b`, [c](d), *e* \ &lt; <b>"
    assert unescape(MarkdownIt().renderInline(escape(text))) == text


def test_tables_of_markdown_keep_their_columns() -> None:
    for line in as_markdown(report()).splitlines():
        if line.startswith("|"):
            assert line.replace("\\|", "").count("|") in (4, 10)


@pytest.mark.parametrize("name", ["run.json", "run.html", "run.md", "run.xml"])
def test_the_extension_chooses_the_format(tmp_path: Path, name: str) -> None:
    write(report(), tmp_path / name)
    assert (tmp_path / name).stat().st_size > 500


def test_another_extension_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\.json"):
        check_suffix(Path("run.pdf"))


def test_a_run_that_measured_nothing_still_makes_every_report() -> None:
    empty = report_of(run(scenario(), ok=0))
    for text in (as_html(empty), as_markdown(empty), as_json(empty), as_junit(empty).decode()):
        assert "invalid" in text
