"""Builds ``Settings`` from flags, environment, project file, user file and defaults, and remembers each origin."""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from perkie_cli.config.coerce import coerce
from perkie_cli.config.environment import CONFIG, PROFILE, FromEnv, env_values, strange_variables
from perkie_cli.config.schema import Row, Settings, default_groups, rows
from perkie_cli.domain.errors import InvalidSetting, UnreadableFile
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.spelling import did_you_mean
from perkie_cli.domain.units import why_unread

PROJECT_FILE = "perkie.toml"
_PROJECT, _NAMED = "project file", "config file"
FLAG = "flag"  # a flag has the name of its setting without the group


@frozen
class Layer:
    """One source of values: dotted name → raw value, and its name in messages."""

    origin: str
    values: Mapping[str, Any]


@frozen
class Loaded:
    """The settings, the origin of each value, the files that were looked for (path, whether it exists), and warnings
    about variables that have no effect.
    """

    settings: Settings
    origins: Mapping[str, str]
    files: tuple[tuple[Path, bool], ...]
    warnings: tuple[str, ...] = ()


def user_config_dir(environ: Mapping[str, str]) -> Path:
    """Config and style files: ``$XDG_CONFIG_HOME/perkie`` or the platform's default."""
    return _user_dir("config", environ)


def user_cache_dir(environ: Mapping[str, str]) -> Path:
    """The disk store: ``$XDG_CACHE_HOME/perkie`` or the platform's default."""
    return _user_dir("cache", environ)


def user_state_dir(environ: Mapping[str, str]) -> Path:
    """Quotas, ledgers, records: ``$XDG_STATE_HOME/perkie`` or the platform's default."""
    return _user_dir("state", environ)


def user_data_dir(environ: Mapping[str, str]) -> Path:
    """Model files: ``$XDG_DATA_HOME/perkie`` or the platform's default."""
    return _user_dir("data", environ)


def _user_dir(kind: str, environ: Mapping[str, str]) -> Path:
    if home := environ.get(f"XDG_{kind.upper()}_HOME"):
        return Path(home) / "perkie"
    import platformdirs

    find: Callable[..., str] = getattr(platformdirs, f"user_{kind}_dir")
    return Path(find("perkie", appauthor=False))


def known_profiles(environ: Mapping[str, str] = os.environ) -> list[str]:
    """The profiles of the config files. Raises: InvalidSetting, UnreadableFile."""
    tables = [_read(path, required=False) for _, path in _paths(None, _here(), environ)]
    return sorted({name for table in tables for name in table["profile"]})


def load(
    *,
    config: Path | None = None,
    profile: str | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    project_dir: Path | None = None,
) -> Loaded:
    """Loads the settings. ``config`` replaces the project and user files; ``flags`` maps dotted names to values.

    Raises: InvalidSetting, UnreadableFile.
    """
    profile = profile or environ.get(PROFILE) or None
    paths = _paths(config, project_dir or _here(), environ)
    tables = [(label, path, _read(path, required=label == _NAMED)) for label, path in paths]
    _check_profile(profile, [table for _, _, table in tables])
    files = [layer for label, path, table in tables for layer in _file_layers(f"{label} {path}", table, profile)]
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    layers = [Layer(FLAG, given), Layer("environment", env_values(environ)), *files]
    settings, origins = _merge(layers)
    found = tuple((path, path.is_file()) for _, path in paths)
    return Loaded(settings, origins, found, tuple(strange_variables(environ)))


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError as error:
        raise UnreadableFile("the current folder does not exist any more", hint="Change to another one.") from error


def _paths(config: Path | None, project_dir: Path, environ: Mapping[str, str]) -> list[tuple[str, Path]]:
    """The files to read, and what each is called in messages."""
    if config is None and environ.get(CONFIG):
        config = Path(environ[CONFIG]).expanduser()
    if config is not None:
        return [(_NAMED, config)]
    return [(_PROJECT, project_dir / PROJECT_FILE), ("user file", user_config_dir(environ) / "config.toml")]


def _read(path: Path, *, required: bool) -> dict[str, Any]:
    """The parsed file; its ``profile``, if any, is a table of tables."""
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        if required:
            raise UnreadableFile(f"config file {path} does not exist") from error
        return {"profile": {}}
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"config file {path} cannot be read: {why_unread(error)}") from error
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"config file {path} is not valid TOML: {error}") from error
    profiles = table.setdefault("profile", {})
    if not isinstance(profiles, dict) or not all(isinstance(each, dict) for each in profiles.values()):
        raise InvalidSetting(f"config file {path}: profile must hold tables such as [profile.production.style]")
    return table


def _check_profile(profile: str | None, tables: list[dict[str, Any]]) -> None:
    known = sorted({name for table in tables for name in table["profile"]})
    if profile is not None and profile not in known:
        listed = f"Known profiles: {', '.join(known)}." if known else "No config file defines one."
        raise InvalidSetting(f"unknown profile {profile!r}", hint=listed)


def _file_layers(origin: str, table: dict[str, Any], profile: str | None) -> Iterator[Layer]:
    """The layers of one file: the chosen profile overrides the file's other values."""
    profiles = table.pop("profile")
    if profile in profiles:
        yield Layer(f"{origin} [profile.{profile}]", _flatten(f"{origin} [profile.{profile}]", profiles[profile]))
    yield Layer(origin, _flatten(origin, table))


def _flatten(origin: str, table: dict[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    known = {each.name for each in rows()}
    for group, content in table.items():
        names = (
            {f"{group}.{name}": value for name, value in content.items()}
            if isinstance(content, dict)
            else {group: content}
        )
        for name, value in names.items():
            if name not in known:
                raise InvalidSetting(f"{origin}: unknown setting {name!r}", hint=_nearest(name, known))
            values[name] = value
    return values


def _nearest(name: str, known: set[str]) -> str:
    return f"{did_you_mean(name, known)} `perkie config show` lists all of them.".lstrip()


def _merge(layers: list[Layer]) -> tuple[Settings, dict[str, str]]:
    groups: dict[str, dict[str, Any]] = {}
    origins: dict[str, str] = {}
    for each in rows():
        group, name = each.name.split(".", 1)
        layer = next((layer for layer in layers if each.name in layer.values), None)
        if layer is None:
            origins[each.name] = "default"
            continue
        raw, origin = layer.values[each.name], layer.origin
        if each.names_place and origin.startswith(_PROJECT) and raw != "":
            raise _not_from_a_folder(each, origin)
        if isinstance(raw, FromEnv):
            origin = f"environment {raw.name}"
            raw = raw.text
        elif origin == FLAG:
            origin = f"--{name.replace('_', '-')}"
        groups.setdefault(group, {})[name] = coerce(each, raw, origin)
        origins[each.name] = origin
    made = {name: dataclasses.replace(default, **groups.get(name, {})) for name, default in default_groups().items()}
    return Settings(**made), origins


def _not_from_a_folder(each: Row, origin: str) -> InvalidSetting:
    """A folder of photos from a stranger may hold a perkie.toml: it must not send them, or a key, to the stranger."""
    return InvalidSetting(
        f"{origin}: {each.name} decides where photos, keys or customers' ids are sent, so a folder's own file may not",
        hint=f"If you trust it, name it: --config {PROJECT_FILE}. Or set {each.env_names[0]}, or your own config file.",
    )
