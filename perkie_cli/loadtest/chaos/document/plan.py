"""What perkie starts for an experiment: its extension ``perkie``, checked."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from perkie_cli.config.load import load
from perkie_cli.config.schema import rows
from perkie_cli.domain.errors import BadInput
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import parse_size
from perkie_cli.loadtest.chaos.document.source import Place, Source

EXTENSION = "perkie"
EMULATORS = ("gemini", "storage", "firestore")
TARGET, MATTING = "server", "matting"
# Which ``${…}`` an experiment may use for the address of which process.
ADDRESSES = {"target": TARGET, "matting": MATTING} | {name: name for name in EMULATORS}


@frozen
class Plan:
    """Emulators, one server over them with these settings, and on wish a second one that cuts out for it.

    ``disk``: bytes of the file system that holds the server's files, where root can make one.
    """

    emulators: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    matting: bool = False
    disk: int | None = None

    @property
    def processes(self) -> tuple[str, ...]:
        """The names of its processes, in the order of their start."""
        return (*self.emulators, *((MATTING,) if self.matting else ()), TARGET)

    @property
    def addresses(self) -> Mapping[str, str]:
        """The names of ``${…}``, each with an address of this machine in place of what the run will know."""
        return {name: "http://127.0.0.1:1" for name, process in ADDRESSES.items() if process in self.processes}


def plan_of(source: Source) -> Plan | None:
    """The plan; None where the experiment does not ask perkie to start anything.

    Raises: BadInput with the line and the field.
    """
    extensions = source.document.get("extensions") or []
    for number, extension in enumerate(extensions):
        place: Place = ("extensions", number)
        if not isinstance(extension, Mapping) or not isinstance(extension.get("name"), str):
            raise source.wrong(place, "is not a table with a name")
        if extension["name"] == EXTENSION:
            return _parsed(source, place, extension)
    return None


def _parsed(source: Source, place: Place, extension: Mapping[str, Any]) -> Plan:
    known = ("name", "emulators", "settings", "matting", "disk")
    for key in extension:
        if key not in known:
            raise source.wrong((*place, key), f"is not one of {', '.join(known)}", did_you_mean(key, known))
    emulators = extension.get("emulators", [])
    if not isinstance(emulators, list) or not set(map(str, emulators)) <= set(EMULATORS):
        raise source.wrong((*place, "emulators"), f"is not a list of {', '.join(EMULATORS)}")
    matting = extension.get("matting", False)
    if not isinstance(matting, bool):
        raise source.wrong((*place, "matting"), f"{matting!r} is not true or false")
    settings = _settings(source, (*place, "settings"), extension.get("settings", {}))
    return Plan(
        tuple(dict.fromkeys(emulators)), settings, matting, _size(source, (*place, "disk"), extension.get("disk"))
    )


def _settings(source: Source, place: Place, given: object) -> Mapping[str, str]:
    if not isinstance(given, Mapping):
        raise source.wrong(place, "is not a table of settings, such as quota.session")
    names = {row.name for row in rows()}
    for name, value in given.items():
        if name not in names:
            raise source.wrong((*place, name), "is not a setting", did_you_mean(name, names))
        try:
            load(config=Path(os.devnull), environ={}, flags={name: _text(value)})
        except BadInput as error:
            raise source.wrong((*place, name), error.message, error.hint) from error
    return {name: _text(value) for name, value in given.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _size(source: Source, place: Place, given: Any) -> int | None:
    if given is None:
        return None
    try:
        return parse_size(str(given))
    except ValueError as error:
        raise source.wrong(place, str(error)) from error
