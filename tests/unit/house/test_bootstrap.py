"""The composition root: made once, never replaced, closed in order; and nothing that is listed is forgotten."""

from __future__ import annotations

import inspect
import os
import pkgutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_args, get_type_hints

import pytest

from perkie_cli import bootstrap
from perkie_cli.bootstrap import Overrides, Profile, Services, build_services
from perkie_cli.bootstrap.engines import DRAWING_PARTS, MATTING_PARTS
from perkie_cli.bootstrap.parts import LazyParts, Part, part
from perkie_cli.cli import complete
from perkie_cli.config.schema import (
    GeminiSettings,
    HttpSettings,
    ImageSettings,
    MattingSettings,
    Settings,
    StyleSettings,
)
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.engines import AUTO, DRAWING, MATTING, MODES, EngineFacts
from perkie_cli.domain.errors import AtCapacity
from perkie_cli.domain.events import NoEvents
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.secret import Secret
from perkie_cli.http.app import create_app
from perkie_cli.ports import WarmableMatting
from perkie_cli.resilience.turns import Load
from tests.pictures import file_of, photo, taken

PARTS = {name: each for name, each in vars(Services).items() if isinstance(each, Part)}
SERVER = Settings(http=HttpSettings(pixels_waiting=0), image=ImageSettings(pixels_in_work=1))
PET = taken(file_of(photo(320, 280)))


class Closing:
    """Writes down that it was closed."""

    def __init__(self, name: str, closed: list[str], error: Exception | None = None) -> None:
        self._name = name
        self._closed = closed
        self._error = error

    async def aclose(self) -> None:
        self._closed.append(self._name)
        if self._error is not None:
            raise self._error


# ---------------------------------------------------------------------------------------------- closing


async def test_everything_is_closed_users_first_whatever_goes_wrong() -> None:
    closed: list[str] = []
    names = ("documents", "blobs", "quotas", "remote_matting", "inspyrenet")
    parts: dict[str, Any] = {name: Closing(name, closed) for name in names}
    failing: Any = Closing("gemini", closed, LookupError("at closing"))
    services = build_services(Settings(), gemini=failing, **parts)
    with pytest.raises(LookupError, match="at closing"):
        await services.aclose()
    assert set(closed) == {"gemini", *names}
    assert closed.index("quotas") < closed.index("documents")


async def test_a_part_is_closed_before_what_it_was_built_from_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[str] = []

    class Made(LazyParts):
        user: object = part("made_here")
        used: object = part("made_here")
        alias: object = part("made_here")
        pool: object = part("made_here")
        unused: object = part("made_here")

    class Pool:
        def close(self) -> None:
            closed.append("pool")

    makers = {
        "user": lambda its: (its.used, Closing("user", closed))[1],
        "used": lambda its: (its.pool, Closing("used", closed))[1],
        "alias": lambda its: its.used,
        "pool": lambda its: Pool(),
        "unused": lambda its: Closing("unused", closed),
    }
    monkeypatch.setitem(sys.modules, "perkie_cli.bootstrap.made_here", module_of(makers))
    whole = Made({})
    assert whole.alias is whole.used
    assert whole.user is whole.user
    await whole.aclose()
    assert closed == ["user", "used", "pool"]
    await whole.aclose()
    assert len(closed) == 3


def module_of(makers: Mapping[str, object]) -> ModuleType:
    made = ModuleType("made_here")
    vars(made).update(makers)
    return made


def test_a_part_that_needs_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Round(LazyParts):
        hen: object = part("made_here")
        egg: object = part("made_here")

    makers = {"hen": lambda its: its.egg, "egg": lambda its: its.hen}
    monkeypatch.setitem(sys.modules, "perkie_cli.bootstrap.made_here", module_of(makers))
    whole = Round({})
    for _ in range(2):
        with pytest.raises(RuntimeError, match="hen → egg → hen"):
            _ = whole.hen


def test_two_threads_get_one_part() -> None:
    services = build_services(Settings())
    found: list[object] = []
    ready = threading.Barrier(4)

    def ask() -> None:
        ready.wait(60)
        found.append(services.generate)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert len(found) == 4
    assert len(set(map(id, found))) == 1


# ---------------------------------------------------------------------------------------------- giving


@pytest.mark.parametrize("name", ["aclose", "nonsense", "metrics", "drawing_turns"])
def test_only_parts_that_stand_for_the_world_can_be_given(name: str) -> None:
    given: dict[str, Any] = {name: None}
    with pytest.raises(TypeError, match=f"'{name}' is not a part that can be passed in; those are clock, "):
        build_services(Settings(), **given)


@pytest.mark.parametrize("name", ["clock", "events", "generate", "settings", "nonsense"])
def test_no_part_is_replaced_or_deleted_afterwards(name: str) -> None:
    services = build_services(Settings())
    with pytest.raises(AttributeError, match=f"{name} cannot be set"):
        setattr(services, name, None)
    with pytest.raises(AttributeError, match="cannot be deleted"):
        delattr(services, name)


def test_what_is_given_has_the_part_s_type() -> None:
    for name, type_ in Overrides.__annotations__.items():
        assert type_.__forward_arg__ == Services.__annotations__[name], name


def test_every_part_has_a_maker_of_its_name_and_type_and_every_maker_its_part() -> None:
    makers = {}
    for name, each in PARTS.items():
        make = getattr(import_module(each.module), name)
        makers[name] = make
        assert Services.__annotations__[name] == inspect.get_annotations(make)["return"], name
        assert list(inspect.signature(make).parameters) == ["its"]
    found = {
        function
        for info in pkgutil.walk_packages(bootstrap.__path__, f"{bootstrap.__name__}.")
        for function in vars(import_module(info.name)).values()
        if inspect.isfunction(function)
        and function.__module__ == info.name
        and list(inspect.signature(function).parameters)[:1] == ["its"]
    }
    unlisted = {make.__qualname__ for make in found - set(makers.values())}
    assert unlisted == set(), f"bootstrap/services.py has no part for the maker {', '.join(unlisted)}"
    assert found == set(makers.values())


def test_a_subject_is_imported_when_it_is_asked_for(tmp_path: Path) -> None:
    code = """if True:
        import sys
        from perkie_cli.bootstrap import build_services
        from perkie_cli.config.schema import Settings
        own = lambda: sorted(name for name in sys.modules if name.startswith("perkie_cli.bootstrap."))
        services = build_services(Settings())
        print(*own())
        services.generate
        unused = ("cut_out", "numpy", "inspyrenet.e", "google.")
        print(*[name for name in sys.modules if any(each in name for each in unused)])
    """
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told == ["perkie_cli.bootstrap.parts perkie_cli.bootstrap.services", ""]


# ---------------------------------------------------------------------------------------------- engines


def test_every_engine_is_known_everywhere() -> None:
    """A name that is missing in one of these would be no choice, or be refused, or never be closed."""
    choices = {
        "drawing": get_args(get_type_hints(StyleSettings)["engine"]),
        "matting": get_args(get_type_hints(MattingSettings)["engine"]),
    }
    assert choices == {"drawing": (AUTO, *DRAWING), "matting": ()}  # any text: it may be a network of models.toml
    assert get_args(get_type_hints(MattingSettings)["mode"]) == MODES
    assert DRAWING_PARTS.keys() == DRAWING.keys(), "bootstrap/engines/ against domain/engines.py"
    assert MATTING_PARTS.keys() == MATTING.keys(), "bootstrap/engines/ against domain/engines.py"
    assert {*DRAWING_PARTS.values(), *MATTING_PARTS.values()} <= PARTS.keys()


@pytest.mark.parametrize(
    ("command", "named", "complete_"),
    [("stylize", DRAWING, complete.drawing_engine), ("remove-bg", MATTING, complete.matting_engine)],
)
def test_help_and_completion_know_every_engine(
    command: str, named: Mapping[str, EngineFacts], complete_: Callable[[str], list[tuple[str, str]]]
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "perkie_cli", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "200", "NO_COLOR": "1"},
    ).stdout
    assert [name for name, _ in complete_("")] == [AUTO, *named]
    for name, facts in named.items():
        assert name in told
        assert (name, facts.help) in complete_(name[:3])


async def test_every_engine_is_built_by_its_name_and_closed_with_the_rest(tmp_path: Path) -> None:
    settings = Settings(
        gemini=GeminiSettings(api_key=Secret("key")), matting=MattingSettings(remote_url="http://127.0.0.1:9")
    )
    services = build_services(settings, {"HOME": str(tmp_path)})
    for engines, facts in ((services.engines, DRAWING), (services.matting_engines, MATTING)):
        assert set(engines) >= {AUTO, *facts}
        for name, fact in facts.items():
            assert engines[name].name == name
            assert engines[name] is engines[name]
            assert hasattr(engines[name], "price") is fact.paid
    for name, fact in MATTING.items():
        assert isinstance(services.matting_engines[name], WarmableMatting) or not fact.weights
    assert services.engines[AUTO] is services.gemini
    assert services.matting_engines[AUTO] is services.remote_matting
    await services.aclose()


@pytest.mark.parametrize(
    ("settings", "drawing", "matting", "weights"),
    [
        (Settings(), "local", "inspyrenet", True),
        (Settings(gemini=GeminiSettings(api_key=Secret("key"))), "gemini", "inspyrenet", True),
        (Settings(gemini=GeminiSettings(vertexai=True)), "gemini", "inspyrenet", True),
        (Settings(matting=MattingSettings(remote_url="http://x")), "local", "remote", False),
        (Settings(matting=MattingSettings(remote_url="http://x", engine="inspyrenet")), "local", "inspyrenet", True),
        (
            Settings(matting=MattingSettings(engine="builtin"), style=StyleSettings(engine="gemini")),
            "gemini",
            "builtin",
            False,
        ),
    ],
)
def test_auto_is_decided_in_one_place(settings: Settings, drawing: str, matting: str, weights: bool) -> None:
    services = build_services(settings)
    assert services.drawing_choice.meant() == drawing
    assert services.matting_choice.meant() == matting
    assert services.cutout_readiness.needs_weights is weights
    assert services.matting_choice.meant("builtin") == "builtin"
    assert services.matting_choice.meant(AUTO) in MATTING


# ---------------------------------------------------------------------------------------------- a server


@pytest.mark.parametrize(
    "touched", [[], ["generate"], ["events"], list(PARTS.keys() & {"storefront", "gemini", "quotas"})]
)
async def test_a_server_counts_and_refuses_whatever_was_built_before_it(touched: list[str], tmp_path: Path) -> None:
    services = build_services(SERVER, {"HOME": str(tmp_path)}, profile=Profile.SERVER)
    for name in touched:
        getattr(services, name)
    app = create_app(services)
    metrics = app.state.parts.services.metrics
    load = Load(1, "all", Deadline.never())
    async with services.drawing_turns.hold(load), services.matting_turns.hold(load):
        with pytest.raises(AtCapacity, match="drawing"):
            await services.generate(GenerateRequest(PET, "ink_wash"))
        with pytest.raises(AtCapacity, match="cutting out"):
            await services.cutouts(CutoutRequest(PET, engine="builtin"))
    assert b'perkie_cache_lookups_total{outcome="miss"} 4.0' in metrics.text()
    await services.aclose()


def test_a_server_is_not_made_of_a_command_s_parts() -> None:
    with pytest.raises(TypeError, match=r"profile=Profile\.SERVER"):
        create_app(build_services(Settings()))
    with pytest.raises(TypeError, match="pass listener"):
        build_services(Settings(), profile=Profile.SERVER, events=NoEvents())
