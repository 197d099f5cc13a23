"""Scenario files: TOML, read strictly before anything starts; and the shipped ones."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidScenario
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.loadtest.reading.table import Table, read_table, read_text
from perkie_cli.loadtest.scenario import (
    LONGEST,
    RAW,
    SLOTS,
    Call,
    Check,
    Phase,
    PhotoPool,
    Scenario,
    SelfSetup,
    Spacing,
    why_no_header,
)
from perkie_cli.loadtest.thresholds import Threshold, parse_rule

MOST_REQUESTS = 20_000_000  # of a schedule: its times are made before the start
MOST_USERS, MOST_RATE = 20_000, 1_000_000.0
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SLOT = re.compile(r"\{(\w*)\}")
SUFFIX = ".toml"


def shipped() -> Mapping[str, str]:
    """The text of each shipped scenario by name."""
    folder = resources.files("perkie_cli") / "data" / "scenarios"
    files = sorted(folder.iterdir(), key=lambda file: file.name)
    return {file.name.removesuffix(SUFFIX): file.read_text("utf-8") for file in files if file.name.endswith(SUFFIX)}


def find(name: str) -> Scenario:
    """A shipped scenario by its name, or a file of one's own.

    Raises: InvalidScenario, naming file, line and field.
    """
    return parse(*source(name))


def source(name: str) -> tuple[str, str]:
    """The text, and the name to show.

    Raises: InvalidScenario.
    """
    known = shipped()
    if name in known:
        return known[name], name
    file = Path(name)
    if not file.suffix and not file.exists():
        hint = f"{did_you_mean(name, known)} `perkie load-test list` shows the shipped ones.".strip()
        raise InvalidScenario(f"there is no scenario {name!r}, and no such file", hint=hint)
    return read_text(file), name


@cache
def service_levels() -> Mapping[str, str]:
    """What the service promises in slo.yaml: a rule by name, as thresholds use it. Read once: it comes with perkie."""
    from perkie_cli.config.levels.reading import read_levels  # imported late: a scenario may name no promise

    return read_levels().load_rules


def parse(text: str, name: str) -> Scenario:
    """A scenario from a file's text; ``name`` is its path or the shipped name.

    Raises: InvalidScenario.
    """
    table = read_table(text, name)
    calls = tuple(_call(each) for each in table.tables("request"))
    phases = tuple(_phase(each, at) for at, each in enumerate(table.tables("phase")))
    scenario = Scenario(
        name=Path(name).name.removesuffix(SUFFIX),
        title=table.text("title"),
        source=name,
        spacing=Spacing(table.one_of("arrivals", list(Spacing), Spacing.EVEN)),
        warm_up=table.seconds("warm_up", 0.0),
        grace=table.seconds("grace", 0.0) if table.has("grace") else None,
        max_in_flight=table.count("max_in_flight", 0, 0, 20_000),
        owners=table.count("owners", 0, 0, 10_000_000),
        fresh_servers=table.count("fresh_servers", 0, 0, 1000),
        photos=_photos(table.table("photos")),
        phases=phases,
        calls=calls,
        thresholds=(),
        hosting=_hosting(table.table("self")),
    )
    names = {call.name for call in calls}, {phase.name for phase in phases}
    thresholds = tuple(_threshold(each, *names) for each in table.tables("threshold"))
    table.asked.add("grace")
    table.done()
    _check_whole(table, scenario)
    return replace(scenario, thresholds=thresholds)


def _call(table: Table) -> Call:
    call = Call(
        name=table.text("name"),
        path=table.text("path"),
        method=table.one_of("method", METHODS, "GET"),
        weight=table.number("weight", 1.0, 0.0, 1e6),
        headers=table.texts("headers"),
        form=table.texts("form"),
        json=table.any("json", dict, {}),
        photo=table.text("photo"),
        expect=_statuses(table),
        check=Check(table.one_of("check", list(Check), Check.NONE)),
        timeout=table.seconds("timeout", 60.0, 0.001, LONGEST),
    )
    table.done()
    if not call.name:
        table.refuse("name", "is missing")
    if not call.path.startswith("/") or set(call.path) & set(" #") or not call.path.isascii():
        table.refuse("path", "must begin with / and hold no spaces and no #; write other characters as %XX")
    if not call.weight:
        table.refuse("weight", "must be above 0")
    _check_headers(table, call.headers)
    _check_body(table, call)
    _check_slots(table, call)
    return call


def _statuses(table: Table) -> frozenset[int]:
    found = table.any("expect", list, [200])
    if not found or not all(isinstance(each, int) and 200 <= each <= 599 for each in found):
        table.refuse("expect", "must be a list of statuses from 200 to 599")
    return frozenset(found)


def _check_headers(table: Table, headers: Mapping[str, str]) -> None:
    for name in headers:
        if why := why_no_header(name):
            table.refuse(f"headers.{name}", why)


def _check_body(table: Table, call: Call) -> None:
    if call.form and call.json:
        table.refuse("json", "cannot be sent together with form")
    if call.photo == RAW and (call.form or call.json):
        table.refuse("photo", f'= "{RAW}" is the whole body: it leaves no place for form or json')
    if call.method == "GET" and (call.form or call.json or call.photo):
        table.refuse("method", "is GET, which sends no body")
    table.read("json", lambda: _as_json(call.json))
    if call.photo in call.json or call.photo in call.form:
        table.refuse("photo", "names a field that has a value already")


def _as_json(table: Mapping[str, Any]) -> str:
    """Raises: ValueError for what JSON cannot hold."""
    try:
        return json.dumps(table, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"holds what JSON cannot: {error}") from error


def _check_slots(table: Table, call: Call) -> None:
    fields: dict[str, Any] = {"path": call.path, "headers": call.headers, "form": call.form, "json": call.json}
    for name, value in fields.items():
        for text in _texts(value):
            for slot in _SLOT.findall(text):
                if slot not in SLOTS:
                    known = ", ".join(f"{{{each}}}" for each in SLOTS)
                    table.refuse(name, f"holds {{{slot}}}, which is none of {known}")


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def _phase(table: Table, at: int) -> Phase:
    phase = Phase(
        name=table.text("name", f"phase {at + 1}"),
        duration=table.seconds("duration", 0.0),
        rate=table.number("rate", 0.0, 0.0, MOST_RATE),
        to=table.number("to", 0.0, 0.0, MOST_RATE) if table.has("to") else None,
        users=table.count("users", 0, 0, MOST_USERS),
        think=table.seconds("think", 0.0),
    )
    table.asked.add("to")
    table.done()
    if not phase.duration:
        table.refuse("duration", "must be above 0 s")
    if phase.users and (table.has("rate") or phase.to is not None):
        table.refuse("users", "cannot be combined with a rate: users send as fast as they are answered")
    if not phase.users and not phase.rate and not phase.to:
        table.refuse("", "needs a rate (requests a second) or users")
    if not phase.users and phase.think:
        table.refuse("think", "is for users")
    return phase


def _photos(table: Table) -> PhotoPool:
    pool = PhotoPool(
        side=table.count("side", PhotoPool().side, 64, 8192),
        hit_rate=table.number("hit_rate", 0.0, 0.0, 1.0),
        warm=table.count("warm", 0, 0, 100_000),
    )
    table.done()
    if pool.hit_rate and not pool.warm:
        table.refuse("warm", "must be above 0: hits repeat one of these photos")
    return pool


def _hosting(table: Table) -> SelfSetup:
    setup = SelfSetup(
        picture=table.one_of("picture", ("style", "tiny"), SelfSetup().picture),
        gemini=table.any("gemini", dict, {}),
        environ=table.texts("environ"),
    )
    table.done()
    if setup.gemini:
        table.read("gemini", lambda: GeminiPlan.parse(setup.gemini))
    return setup


def _threshold(table: Table, calls: set[str], phases: set[str]) -> Threshold:
    rule, level = table.text("rule"), table.text("level")
    if bool(rule) == bool(level):
        table.refuse("rule", "or level must be given, one of them")
    if level:
        known = service_levels()
        if level not in known:
            table.refuse("level", f"is {level!r}, which is none of {', '.join(known)}", did_you_mean(level, known))
        rule = known[level]
    metric, sign, bound = table.read("rule", lambda: parse_rule(rule))
    call, phase = table.text("request"), table.text("phase")
    for name, value, known_names in (("request", call, calls), ("phase", phase, phases)):
        if value and value not in known_names:
            table.refuse(name, f"{value!r} does not exist", did_you_mean(value, known_names))
    threshold = Threshold(
        rule, metric, sign, bound, call, phase, table.switch("abort_on_fail"), table.seconds("after", 0.0)
    )
    table.done()
    return threshold


def _check_whole(table: Table, scenario: Scenario) -> None:
    for name, found in (("request", scenario.calls), ("phase", scenario.phases)):
        if not found:
            table.refuse("", f"has no [[{name}]]")
        names = [each.name for each in found]
        if len(set(names)) < len(names):
            table.refuse(name, "has a name twice")
    if any(phase.users for phase in scenario.phases) and any(not phase.users for phase in scenario.phases):
        table.refuse("phase", "must all have a rate, or all have users")
    if scenario.warm_up >= scenario.duration:
        table.refuse("warm_up", "leaves nothing to measure")
    if sum(phase.arrivals for phase in scenario.phases) > MOST_REQUESTS:
        table.refuse("phase", f"has more than {MOST_REQUESTS:,} requests")
