"""Lifetime rules: what they match, their JSON, and what a reader notices in them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perkie_cli.domain.errors import InvalidParameter, UnreadableFile
from perkie_cli.domain.storage.lifecycle import Action, Rule, StoredFacts, rules_for
from perkie_cli.domain.storage.lifecycle_json import CONDITIONS, RuleError, rule_to, rules_from
from perkie_cli.domain.storage.lifecycle_review import Level, describe, for_versioned, review, review_bucket
from perkie_cli.domain.storage.selection import AREAS
from perkie_cli.ops.lifecycle.file import read_rules

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = timedelta(days=1)
PREFIXES = ("shared/", "generated/", "generated/temp/", "originals/customers/4")

moments = st.integers(0, 400).map(lambda hours: NOW - timedelta(hours=hours))
counts = st.none() | st.integers(0, 15)
stored = st.builds(
    StoredFacts,
    st.sampled_from(PREFIXES).map(lambda prefix: f"{prefix}x.jpg"),
    created=moments,
    touched=st.none() | moments,
    storage_class=st.sampled_from(["STANDARD", "NEARLINE"]),
    noncurrent=st.none() | moments,
    newer_versions=st.integers(0, 3),
)
rules = st.builds(
    Rule,
    st.just(Action.DELETE),
    matches_prefix=st.lists(st.sampled_from(PREFIXES), max_size=2, unique=True).map(tuple),
    matches_suffix=st.sampled_from([(), (".jpg",), (".png", "jpg")]),
    age=counts,
    days_since_custom_time=counts,
    days_since_noncurrent_time=counts,
    created_before=st.none() | st.dates(date(2026, 11, 1), date(2026, 11, 21)),
    num_newer_versions=st.none() | st.integers(1, 3),
    is_live=st.none() | st.booleans(),
    matches_storage_class=st.sampled_from([(), ("STANDARD",), ("NEARLINE", "STANDARD")]),
).filter(lambda rule: rule_to(rule)["condition"] != {})

few = st.none() | st.none() | st.integers(0, 3)
simple_rules = st.builds(
    Rule,
    st.just(Action.DELETE),
    matches_prefix=st.sampled_from([("generated/",), ("generated/temp/",)]),
    age=few,
    days_since_custom_time=few,
    num_newer_versions=few,
    is_live=st.none() | st.none() | st.booleans(),
)


def delete(prefix: str, days: int) -> Rule:
    return Rule(Action.DELETE, matches_prefix=(prefix,), days_since_custom_time=days)


def texts(*given: Rule) -> list[str]:
    return [f"{remark.level} {remark.rule} {remark.text}" for remark in review(given) if remark.rule]


@pytest.mark.parametrize(("hours", "due"), [(47, False), (48, True), (49, True)])
def test_days_are_counted_from_the_instant(hours: int, due: bool) -> None:
    facts = StoredFacts("shared/x.jpg", NOW - 90 * DAY, NOW - timedelta(hours=hours))
    assert delete("shared/", 2).matches(facts, NOW) is due


@pytest.mark.parametrize(("day", "due"), [(21, False), (22, True)])
def test_a_date_is_its_midnight(day: int, due: bool) -> None:
    facts = StoredFacts("shared/x.jpg", NOW, None)
    assert Rule(Action.DELETE, created_before=date(2026, 11, day)).matches(facts, NOW) is due


def test_without_custom_time_a_rule_on_it_never_matches() -> None:
    facts = StoredFacts("shared/x.jpg", NOW - 900 * DAY, None)
    assert not delete("shared/", 0).matches(facts, NOW)
    assert Rule(Action.DELETE, age=900).matches(facts, NOW)


def test_lifetimes_become_whole_days_never_shorter_than_promised() -> None:
    made = rules_for({"shared": timedelta(hours=25), "cutouts": timedelta(minutes=5), "originals/temp": 2 * DAY})
    assert [(rule.days_since_custom_time, rule.matches_prefix) for rule in made] == [
        (1, ("cutouts/",)),
        (2, ("originals/temp/", "shared/")),
    ]


@given(st.lists(rules, max_size=4))
def test_json_goes_there_and_back(given: list[Rule]) -> None:
    text = json.dumps({"rule": [rule_to(rule) for rule in given]})
    assert list(rules_from(json.loads(text))) == given
    assert list(rules_from({"lifecycle": json.loads(text)})) == given


@settings(max_examples=500)
@given(st.tuples(rules, rules) | st.tuples(simple_rules, simple_rules), stored)
def test_a_rule_that_is_said_never_to_act_never_does(pair: tuple[Rule, Rule], facts: StoredFacts) -> None:
    for remark in review(pair):
        if remark.rule and "never acts" in remark.text:
            shadowed, other = pair[remark.rule - 1], pair[2 - remark.rule]
            assert not shadowed.matches(facts, NOW) or other.matches(facts, NOW)


def test_what_never_acts_is_explained() -> None:
    short, long = delete("generated/", 30), delete("generated/customers/", 180)
    assert texts(short, long) == [
        "note 2 never acts: rule 1 (Delete generated/ 30 days after last use) takes the same objects first"
    ]
    assert texts(delete("generated/customers/", 30), delete("generated/", 180)) == []
    assert [text.split(":")[0] for text in texts(short, short)] == ["note 2 never acts"]
    cold = Rule(Action.SET_STORAGE_CLASS, "NEARLINE", matches_prefix=("generated/x",), days_since_custom_time=40)
    assert texts(short, cold)[0].startswith("note 2 never acts")
    assert texts(cold, delete("generated/", 50)) == []


@pytest.mark.parametrize(
    "rule",
    [Rule(Action.DELETE, age=1), Rule(Action.DELETE, matches_prefix=("",), age=1), Rule(Action.DELETE, is_live=True)],
)
def test_deleting_everywhere_is_an_error(rule: Rule) -> None:
    assert any(remark.level is Level.ERROR for remark in review([rule]))


def test_old_versions_may_go_everywhere() -> None:
    assert texts(Rule(Action.DELETE, is_live=False)) == []


def test_our_own_rules_leave_nothing_to_remark() -> None:
    ours = rules_for(dict.fromkeys(AREAS, 7 * DAY))
    assert list(review(ours)) == []
    assert list(review_bucket(ours, "gs://pets", versioning=False, soft_delete=timedelta(0))) == []
    (remark,) = review_bucket(for_versioned(ours), "gs://pets", versioning=True, soft_delete=timedelta(0))
    assert remark.fix == "gcloud storage buckets update gs://pets --no-versioning"
    assert str(remark).endswith(f": `{remark.fix}`")
    assert (remark.level, "no setting of perkie asks for it" in remark.text) == (Level.NOTE, True)


def test_versioning_soft_delete_and_areas_without_rule_are_told() -> None:
    ours = rules_for({"shared": DAY})
    (remark,) = [remark for remark in review(ours) if remark.rule == 0]
    assert sum(f"{area}/" in remark.text for area in AREAS) == len(AREAS) - 1
    versioned = list(review_bucket(ours, "gs://pets", versioning=True, soft_delete=7 * DAY))
    assert [remark.level for remark in versioned] == [Level.ERROR, Level.NOTE]
    assert "isLive: false" in versioned[0].text
    assert "7 days" in versioned[1].text
    useless = review_bucket(
        [Rule(Action.DELETE, is_live=False)], "gs://pets", versioning=False, soft_delete=timedelta(0)
    )
    assert "versioning is off" in next(useless).text


def test_counting_from_creation_is_told() -> None:
    assert "in use are deleted too" in texts(Rule(Action.DELETE, matches_prefix=("shared/",), age=30))[0]


@given(rules)
def test_every_rule_has_a_line(rule: Rule) -> None:
    assert describe(rule).startswith("Delete ")
    assert "\n" not in describe(rule)


RULE = {"action": {"type": "Delete"}, "condition": {"daysSinceCustomTime": 7, "matchesPrefix": ["shared/"]}}


@pytest.mark.parametrize(
    ("text", "position", "reason"),
    [
        ('{"rule": [\n  // mine\n]}', "2:3", "no comments"),
        ('# mine\n{"rule": []}', "1:1", "no comments"),
        ('{"rule": [}', "1:11", "Expecting value"),
        ("[]", "1:1", "not a JSON object"),
        ("[" * 99_999, "1:1", "nested too deeply"),
        ('{"rules": []}', "1:2", "unknown key 'rules'"),
        ('{"rule": {}}', "1:1", "not a list"),
        ('{"rule": [7]}', "1:11", "rule 1: the rule is not an object"),
        ('{"rule": [{"action": {"type": "Delete"}}]}', "1:11", "needs an action and a condition"),
        ('{"rule": [%s,\n {"action": {"type": "Delete"},\n  "condition": {"agee": 1}}]}', "3:17", "unknown key"),
        ('{"rule": [\n{"action": {"type": "Remove"}, "condition": {"age": 1}}]}', "2:13", "unknown action 'Remove'"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {}}]}', "1:42", "would match every object"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": "7"}}]}', "1:56", "not a whole number"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": true}}]}', "1:56", "not a whole number"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": 99999999999}}]}', "1:56", "from 0 to 36500"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": 7, "age": 8}}]}', "1:56", "object twice"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"createdBefore": "soon"}}]}', "1:56", "not a date"),
        ('{"rule": [{"action": {"type": "Delete"}, "condition": {"age": 7}}]}', "1:11", "without a prefix"),
        ('{"rule": [{"action": {"type": "SetStorageClass"}, "condition": {"age": 7}}]}', "1:11", "is required with"),
        ('{"lifecycle":{"rule": [%s, %s, {"action":{"type":"Delete"},"condition":{"age":7}}]}}', "1:230", "rule 3"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_told_with_its_position(tmp_path: Path, text: str, position: str, reason: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(text.replace("%s", json.dumps(RULE)))
    with pytest.raises(InvalidParameter) as caught:
        read_rules(path)
    assert caught.value.message.startswith(f"{path}:{position}: ")
    assert reason in caught.value.message


def test_bare_and_wrapped_files_read_the_same(tmp_path: Path) -> None:
    bare, wrapped = tmp_path / "bare.json", tmp_path / "wrapped.json"
    bare.write_text(json.dumps({"rule": [RULE]}))
    wrapped.write_text(json.dumps({"lifecycle": {"rule": [RULE]}}))
    assert read_rules(bare) == read_rules(wrapped) == (delete("shared/", 7),)


def test_a_file_that_is_absent_is_told(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile):
        read_rules(tmp_path / "none.json")


def test_over_a_hundred_rules_are_refused() -> None:
    with pytest.raises(RuleError, match="100 at most"):
        rules_from({"rule": [RULE] * 101})


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["rule", "action", "condition", "type", *CONDITIONS]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_any_json_is_either_rules_or_refused(value: object) -> None:
    try:
        rules_from(value)
    except RuleError as error:
        assert error.reason
