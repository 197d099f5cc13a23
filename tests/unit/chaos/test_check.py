"""What an experiment may be and may run, told before anything starts."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import yaml

from perkie_cli.domain.errors import BadInput
from perkie_cli.loadtest.chaos.document.check import check_experiment
from perkie_cli.loadtest.chaos.document.providers import OWN, PROVIDERS, is_loopback, providers_of
from perkie_cli.loadtest.chaos.document.shipped import shipped
from perkie_cli.loadtest.chaos.document.source import parse_experiment, read_experiment

ACTIONS, PROBES = OWN
GOOD: dict[str, Any] = {
    "title": "t",
    "description": "d",
    "configuration": {"port": "8080"},
    "steady-state-hypothesis": {
        "title": "h",
        "probes": [
            {
                "name": "p",
                "type": "probe",
                "tolerance": 200,
                "provider": {"type": "http", "url": "http://127.0.0.1:${port}/health"},
            }
        ],
    },
    "method": [
        {
            "name": "m",
            "type": "action",
            "provider": {"type": "python", "module": ACTIONS, "func": "wait", "arguments": {"seconds": "1s"}},
        }
    ],
    "rollbacks": [],
}
EXTENSION = {"name": "perkie", "emulators": ["gemini"]}


def check(document: object, *allowed: str) -> None:
    check_experiment(parse_experiment(yaml.safe_dump(document), "a.yaml"), frozenset(allowed))


def changed(*place: str | int, to: object) -> dict[str, Any]:
    """The good experiment with one field set."""
    document = deepcopy(GOOD)
    inner: Any = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = to
    return document


def with_action(**provider: object) -> dict[str, Any]:
    return changed("method", 0, "provider", to=provider)


def faulty(faults: object, emulator: str = "gemini") -> dict[str, Any]:
    arguments = {"emulator": emulator, "faults": faults}
    document = with_action(type="python", module=ACTIONS, func="set_faults", arguments=arguments)
    return {**document, "extensions": [EXTENSION]}


def test_a_good_one_passes() -> None:
    check(GOOD)
    check(faulty({"for": "60s", "fault": [{"kind": "outage"}]}))
    check(faulty({"for": "60s", "fault": [{"kind": "outage"}]}, "http://localhost:8081"))


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_one_passes_without_a_flag(name: str) -> None:
    assert check_experiment(read_experiment(name)) is not None


PROCESS = {"type": "process", "path": "true"}
ELSEWHERE = {"type": "http", "url": "http://169.254.169.254/latest"}
OS = {"type": "python", "module": "os", "func": "getpid"}
PROBE = {"name": "x", "type": "probe"}


@pytest.mark.parametrize(
    ("place", "provider", "kind"),
    [
        (("method", 0, "provider"), PROCESS, "process"),
        (("rollbacks",), [{"name": "r", "type": "action", "provider": PROCESS}], "process"),
        (("steady-state-hypothesis", "probes", 0, "provider"), OS, "python"),
        (
            ("steady-state-hypothesis", "probes", 0, "tolerance"),
            {**PROBE, "provider": {**OS, "arguments": {}}},
            "python",
        ),
        (("configuration", "computed"), {**PROBE, "provider": PROCESS}, "process"),
        (("method", 0, "provider"), ELSEWHERE, "http"),
        (("method", 0, "provider"), {"type": "http", "url": "http://127.0.0.1:${port}@evil.example"}, "http"),
        (("method", 0, "provider"), {"type": "http", "url": "${unknown}"}, "http"),
        (("method", 0, "provider"), {"type": "http", "url": "file:///etc/passwd"}, "http"),
        (("method", 0, "provider"), {"type": "python", "module": ACTIONS, "func": "current"}, "python"),
        (("method", 0, "provider"), {"type": "python", "module": f"{ACTIONS}.subprocess", "func": "run"}, "python"),
        (("controls",), [{"name": "c", "provider": {"type": "python", "module": "os"}}], "python"),
        (("method", 0, "controls"), [{"name": "c", "provider": {"type": "python", "module": "os"}}], "python"),
        (("secrets",), {"a": {"b": {"type": "vault", "path": "x"}}}, "http"),
    ],
)
def test_what_runs_code_or_calls_out_needs_leave(place: tuple[str | int, ...], provider: object, kind: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(changed(*place, to=provider), *(set(PROVIDERS) - {kind}))
    assert "needs leave" in caught.value.message
    assert f"--allow-providers {kind}" in (caught.value.hint or "")
    assert caught.value.message.startswith("a.yaml:")


def test_leave_can_be_given() -> None:
    check(with_action(**PROCESS), "process")
    check(with_action(**OS), "python")
    check(with_action(**ELSEWHERE), "http")
    assert providers_of("process, python") == {"process", "python"}
    with pytest.raises(BadInput, match="shell"):
        providers_of("process,shell")


def test_a_module_is_not_imported_before_leave_is_given(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="needs leave"):
        check(with_action(type="python", module="antigravity", func="fly"))
    import sys

    assert "antigravity" not in sys.modules


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1", "https://localhost/x", "http://[::1]:8", "http://127.9.9.9", "http://LOCALHOST"]
)
def test_addresses_of_this_machine(url: str) -> None:
    assert is_loopback(url)


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.1", "http://127.0.0.1.evil.example", "http://2130706433", "http://[::1", "127.0.0.1:80", ""),
        *("http://localhost@evil.example", "ftp://127.0.0.1", "http://0.0.0.0", "http://127.0.0.1:${p}", None, 5),
    ],
)
def test_other_addresses(url: object) -> None:
    assert not is_loopback(url)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (None, "a.yaml"),
        ([], "an experiment is a table"),
        ("x", "an experiment is a table"),
        ({}, "title is missing"),
        (changed("title", to=""), "title is missing"),
        (changed("method", to=None), "method is missing"),
        (changed("method", to="x"), "method: 'x' is not a list"),
        (changed("method", to=["x"]), "method[0]: is not a table"),
        (changed("method", to=[{}]), "method[0]: empty activity"),
        (changed("method", 0, "provider", to="x"), "method[0].provider: 'x' is not a table"),
        (changed("method", 0, "type", to="act"), "method[0]: 'act' is not a supported"),
        (changed("method", 0, "pauses", to=3), "method[0].pauses: 3 is not a table"),
        (changed("method", 0, "provider", "func", to="wait_for"), "method[0].provider.module: calls"),
        (changed("method", 0, "provider", "arguments", to={"second": 1}), "method[0]: "),
        (changed("method", 0, "provider", "arguments", to={"seconds": "soon"}), "arguments.seconds: 'soon' is not"),
        (changed("method", 0, "provider", "arguments", to=[1]), "method[0]"),
        (changed("method", to=[{"ref": "nobody"}]), "method[0].ref: no activity is called 'nobody'"),
        (changed("rollbacks", to=[{"ref": "nobody"}]), "rollbacks[0].ref: no activity is called 'nobody'"),
        (changed("dry", to="run"), "dry: 'run' is not one of"),
        (changed("method", 0, "dry", to="run"), "method[0].dry: 'run' is not one of"),
        (changed("steady-state-hypothesis", to=[]), "steady-state-hypothesis: [] is not a table"),
        (changed("steady-state-hypothesis", "title", to=None), "steady-state-hypothesis"),
        (changed("steady-state-hypothesis", "probes", 0, "tolerance", to=0.5), "probes[0].tolerance: "),
        (changed("configuration", to={"a": {"type": "env", "key": "NOT_SET_AT_ALL"}}), "configuration: "),
        (changed("secrets", to={"a": {"b": {"type": "env", "key": "NOT_SET_AT_ALL"}}}), "secrets: "),
        (changed("rollback", to=[]), "rollback: is not a field of an experiment"),
        (changed("steady-state-hypotheses", to={}), "steady-state-hypotheses: is not a field"),
        (changed("extensions", to=["x"]), "extensions[0]"),
        (changed("extensions", to=[{"name": "perkie", "emulator": []}]), "extensions[0].emulator: is not one of"),
        (changed("extensions", to=[{"name": "perkie", "emulators": ["redis"]}]), "extensions[0].emulators: is not"),
        (
            changed("extensions", to=[{"name": "perkie", "settings": {"quota.sesion": 1}}]),
            "quota.sesion: is not a setting",
        ),
        (changed("extensions", to=[{"name": "perkie", "settings": {"quota.session": "x"}}]), "quota.session: "),
        (changed("extensions", to=[{"name": "perkie", "disk": "big"}]), "extensions[0].disk: "),
        (faulty({"fault": [{"kind": "outage"}]}), "arguments.faults: for is missing"),
        (faulty({"for": "0s", "fault": []}), "arguments.faults: for: "),
        (faulty({"for": "60s", "fault": [{"kind": "flood"}]}), "arguments.faults: fault 1: kind 'flood'"),
        (faulty({"for": "60s", "fault": [{"kind": "outage"}]}, "storage"), "arguments.emulator: 'storage' is no"),
        (faulty({"for": "60s", "fault": [{"kind": "outage"}]}, "http://example.com"), "arguments.emulator: "),
        (with_action(type="python", module=ACTIONS, func="kill", arguments={"process": "server"}), "is no process"),
    ],
)
def test_a_wrong_field_is_named(document: object, said: str) -> None:
    with pytest.raises(BadInput) as caught:
        check(document)
    assert said in caught.value.message
    assert caught.value.message.startswith("a.yaml")
    assert caught.value.exit_code == 3


def test_configuration_can_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    document = changed("configuration", to={"port": {"type": "env", "key": "CHAOS_PORT"}})
    monkeypatch.setenv("CHAOS_PORT", "9090")
    check(document)
    monkeypatch.setenv("CHAOS_PORT", "80@evil.example")
    with pytest.raises(BadInput, match="needs leave"):
        check(document)
