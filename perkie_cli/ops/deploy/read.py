"""Reads one environment of ``deploy.toml``: the common tables, with those under its name over them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from perkie_cli.domain.errors import InvalidParameter, InvalidSetting, UnreadableFile
from perkie_cli.domain.storage.protection import bucket_name
from perkie_cli.domain.units import parse_size, why_unread
from perkie_cli.loadtest.reading.table import Table
from perkie_cli.loadtest.reading.toml_lines import Path as FieldPath
from perkie_cli.loadtest.reading.toml_lines import lines_of
from perkie_cli.ops.deploy.levels import GATED
from perkie_cli.ops.deploy.settings import (
    ENVIRONMENTS,
    ROLES,
    SAMPLES,
    BucketSpec,
    CanarySpec,
    Environment,
    FirestoreSpec,
    JobSpec,
    RegistrySpec,
    ScaleWindow,
    ServiceSpec,
)

GIB = 2**30
_NAME = re.compile(r"[a-z](?:[a-z0-9-]{0,47}[a-z0-9])?")  # of a Cloud Run service
_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,28}[a-z0-9]")
_WORD = re.compile(r"[A-Za-z0-9()_-]+")
_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
_CRON = re.compile(r"\S+ \S+ \S+ \S+ \S+")
_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "artistic": {
        **{"cpu": 2, "memory": "2Gi", "max_instances": 5, "concurrency": 10, "timeout": 180, "cpu_idle": True},
        **{"gpu": "", "public": True},
    },
    "matting": {  # a GPU is allocated for the whole life of an instance, and so is its CPU
        **{"cpu": 8, "memory": "32Gi", "max_instances": 3, "concurrency": 1, "timeout": 600, "cpu_idle": False},
        **{"gpu": "nvidia-l4", "public": False},
    },
}


def read_environment(file: Path, name: str, images: Mapping[str, str] | None = None) -> Environment:
    """The environment ``name``. ``images`` replace those of the file, by role.

    Raises: UnreadableFile, InvalidSetting with the line of what is wrong.
    """
    text = _text(file)
    values = _values(file, text)
    if name not in values:
        raise InvalidSetting(f"{file} has no table [{name}]", hint=f"Add [{name}] with its project.")
    return _environment(_overlaid(str(file), values, lines_of(text), name), name, images or {})


def read_all(file: Path) -> Sequence[Environment]:
    """All environments of the file. Raises: UnreadableFile, InvalidSetting."""
    values = _values(file, _text(file))
    return [read_environment(file, name) for name in ENVIRONMENTS if name in values]


def read_known(file: Path, own: Environment, images: Mapping[str, str]) -> Sequence[Environment]:
    """All environments of the file, ``own`` among them, in the order in which a release passes them."""
    values = _values(file, _text(file))
    return [
        own if name == own.name else read_environment(file, name, images) for name in ENVIRONMENTS if name in values
    ]


def other_projects(file: Path, name: str) -> Mapping[str, str]:
    """The projects of the other environments in the file, by name."""
    values = _values(file, _text(file))
    others = {each: values.get(each, {}) for each in ENVIRONMENTS if each != name}
    return {each: str(table["project"]) for each, table in others.items() if "project" in table}


def _values(file: Path, text: str) -> Mapping[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"{file} is not valid TOML: {error}") from error


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        hint = "`perkie deploy init` writes one to fill in." if not file.exists() else None
        raise UnreadableFile(f"{file} cannot be read: {why_unread(error)}", hint=hint) from error


def _overlaid(file: str, values: Mapping[str, Any], lines: Mapping[FieldPath, int], name: str) -> Table:
    """The common tables with those of the environment over them; both with their lines."""
    common = {key: value for key, value in values.items() if key not in ENVIRONMENTS}
    own = values[name]
    if not isinstance(own, dict):
        raise InvalidSetting(f"{file}: {name} must be a table: [{name}]")
    placed = {path: line for path, line in lines.items() if path[0] not in ENVIRONMENTS}
    placed |= {path[1:]: line for path, line in lines.items() if path[0] == name and len(path) > 1}
    return Table(file, _over(common, own), placed, error=InvalidSetting)


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        merged[key] = _over(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _environment(table: Table, name: str, images: Mapping[str, str]) -> Environment:
    services = [_service(table.table(role), role, images) for role in ROLES if role == ROLES[0] or table.has(role)]
    environment = Environment(
        name=name,
        project=_fitting(table, "project", "", _PROJECT, "is not a project id such as perkie-staging"),
        region=_fitting(table, "region", "europe-west4", _WORD, "is not a region such as europe-west4"),
        time_zone=table.text("time_zone", "Etc/UTC"),
        registry=_registry(table.table("registry")),
        bucket=_bucket(table.table("bucket")),
        firestore=_firestore(table.table("firestore")),
        services=tuple(services),
        warm=_warm(table.table("warm")) if table.has("warm") else None,
        canary=_canary(table.table("canary")),
        tools_image=table.text("tools_image"),
        freeze=table.text("freeze"),
    )
    table.done()
    return environment


def _service(table: Table, role: str, images: Mapping[str, str]) -> ServiceSpec:
    usual = _DEFAULTS[role]
    image = table.text("image")
    spec = ServiceSpec(
        role=role,
        name=_fitting(table, "name", f"perkie-{role}", _NAME, "is not a name of a Cloud Run service"),
        image=images.get(role, image),
        cpu=int(table.number("cpu", usual["cpu"], 1, 8)),
        memory=table.text("memory", usual["memory"]),
        gpu=table.one_of("gpu", ("", "nvidia-l4", "nvidia-rtx-pro-6000"), usual["gpu"]),
        min_instances=table.count("min_instances", 0, 0, 100),
        max_instances=table.count("max_instances", usual["max_instances"], 1, 1000),
        concurrency=table.count("concurrency", usual["concurrency"], 1, 1000),
        timeout=table.count("timeout", usual["timeout"], 1, 3600),
        cpu_idle=table.any("cpu_idle", bool, usual["cpu_idle"]),
        startup_boost=table.any("startup_boost", bool, True),
        public=table.any("public", bool, usual["public"]),
        env=_variables(table, "env"),
        secrets=_variables(table, "secrets"),
        scaling=tuple(_window(each) for each in table.tables("scaling")),
    )
    if not spec.image:
        table.refuse("image", "is missing", f"Set {role}.image, or give --image {role}=IMAGE@sha256:….")
    _check_shape(table, spec)
    table.done()
    return spec


def _check_shape(table: Table, spec: ServiceSpec) -> None:
    """What Cloud Run refuses: https://cloud.google.com/run/docs/configuring/services/cpu, …/memory-limits, …/gpu"""
    memory = table.read("memory", lambda: parse_size(f"{spec.memory}B")) / GIB
    if spec.cpu not in (1, 2, 4, 8):
        table.refuse("cpu", "must be 1, 2, 4 or 8")
    if memory < {1: 0.125, 2: 0.125, 4: 2, 8: 4}[spec.cpu] or memory > 32:
        table.refuse("memory", f"{spec.memory} does not go with {spec.cpu} CPUs", "4 CPUs need 2Gi, 8 need 4Gi.")
    if spec.gpu and (spec.cpu < 4 or memory < 16):
        table.refuse("gpu", f"{spec.gpu} needs at least 4 CPUs and 16Gi")
    if spec.gpu and spec.cpu_idle:
        table.refuse("cpu_idle", "must be false with a GPU", "Cloud Run bills a GPU for the whole life of an instance.")
    if spec.min_instances > spec.max_instances:
        table.refuse("min_instances", "is above max_instances")
    both = sorted(spec.env.keys() & spec.secrets.keys())
    if both:
        table.refuse(f"env.{both[0]}", "is a secret as well")


def _variables(table: Table, name: str) -> Mapping[str, str]:
    values = table.texts(name)
    for key in values:
        if not _VARIABLE.fullmatch(key):
            table.refuse(f"{name}.{key}", "is not a name of an environment variable")
        if name == "secrets" and not _WORD.fullmatch(values[key]):
            table.refuse(f"{name}.{key}", "is not the id of a secret", "The secret itself is never in this file.")
    return dict(sorted(values.items()))


def _window(table: Table) -> ScaleWindow:
    window = ScaleWindow(_cron(table, "schedule", ""), table.count("min_instances", 0, 0, 100))
    table.done()
    return window


def _registry(table: Table) -> RegistrySpec:
    spec = RegistrySpec(
        name=_fitting(table, "name", "perkie", _NAME, "is not a name of a repository"),
        keep=table.count("keep", 5, 1, 1000),
        delete_after_days=table.count("delete_after_days", 1, 1, 3650),
    )
    table.done()
    return spec


def _bucket(table: Table) -> BucketSpec:
    name = table.text("name")
    try:
        bucket_name(name)
    except InvalidSetting as error:
        table.refuse("name", f"is missing, or no name of a bucket: {name!r}", error.hint)
    spec = BucketSpec(
        name=name,
        location=table.text("location", "europe-west4"),
        versioning=table.switch("versioning"),
        soft_delete_days=table.count("soft_delete_days", 0, 0, 90),
        cors_origins=_texts(table, "cors_origins", ()),
    )
    if 0 < spec.soft_delete_days < 7:
        table.refuse("soft_delete_days", "must be 0, or 7 to 90")
    table.done()
    return spec


def _firestore(table: Table) -> FirestoreSpec:
    spec = FirestoreSpec(
        database=_fitting(table, "database", "(default)", _WORD, "is not a name of a database"),
        location=table.text("location", "eur3"),
        prefix=_fitting(table, "prefix", "perkie_", _WORD, "is not a prefix of collections"),
        backup_retention=_fitting(table, "backup_retention", "7d", re.compile(r"\d+[dw]"), "is no time such as 7d"),
    )
    table.done()
    return spec


def _warm(table: Table) -> JobSpec:
    spec = JobSpec(
        name=_fitting(table, "name", "perkie-cache-warm", _NAME, "is not a name of a Cloud Run job"),
        args=_texts(table, "args", ("cache", "warm", "--since", "24h", "--limit", "100", "--budget", "5")),
        schedule=_cron(table, "schedule", "0 3 * * *"),
        tasks=table.count("tasks", 1, 1, 100),
        timeout=table.count("timeout", 3600, 60, 86_400),
        retries=table.count("retries", 3, 0, 10),
        cpu=table.count("cpu", 2, 1, 8),
        memory=table.text("memory", "2Gi"),
    )
    table.done()
    return spec


def _canary(table: Table) -> CanarySpec:
    steps = table.any("steps", list, [10, 50, 100])
    numbers = [each for each in steps if isinstance(each, int) and not isinstance(each, bool) and 0 < each <= 100]
    if numbers != steps or steps != sorted(set(steps)) or steps[-1:] != [100]:
        table.refuse("steps", "must be rising percentages that end with 100, such as [10, 50, 100]")
    spec = CanarySpec(
        steps=tuple(steps),
        hold=table.seconds("hold", 300.0),
        max_hold=table.seconds("max_hold", 1800.0),
        interval=table.seconds("interval", 15.0, least=0.01, most=60.0),
        min_samples=table.count("min_samples", 60, 1, 1_000_000),
        levels=_texts(table, "levels", ("error_rate", "generation")),
        samples=table.one_of("samples", SAMPLES, "metrics"),
        smoke=table.text("smoke", "smoke"),
        load=table.text("load", "steady"),
        load_seconds=table.seconds("load_duration", 60.0),
        rate=table.number("rate", 1.0, 0.0, 1000.0),
        max_usd=table.number("max_usd", 1.0, 0.0),
        ready_within=table.seconds("ready_within", 600.0),
    )
    if unknown := [each for each in spec.levels if each not in GATED]:
        table.refuse("levels", f"{unknown[0]!r} cannot be a gate", f"Known: {', '.join(GATED)}.")
    if spec.max_hold < spec.hold:
        table.refuse("max_hold", "is below hold")
    table.done()
    return spec


def _texts(table: Table, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    values = table.any(name, list, list(default))
    if not all(isinstance(each, str) and each.isprintable() for each in values):
        table.refuse(name, "must be a list of texts")
    return tuple(values)


def _fitting(table: Table, name: str, default: str, pattern: re.Pattern[str], why: str) -> str:
    text = table.text(name, default)
    if not pattern.fullmatch(text):
        table.refuse(name, f"{text!r} {why}" if text else "is missing")
    return text


def _cron(table: Table, name: str, default: str) -> str:
    return _fitting(table, name, default, _CRON, "is not a schedule of five fields such as '0 3 * * *'")


def usual_canary() -> CanarySpec:
    """Where no file says otherwise."""
    return _canary(Table("", {}, error=InvalidSetting))


def images_from(given: list[str]) -> Mapping[str, str]:
    """``artistic=IMAGE`` each. Raises: InvalidParameter."""
    found: dict[str, str] = {}
    for text in given:
        role, _, image = text.partition("=")
        if role not in ROLES or not image or any(c.isspace() for c in image):
            raise InvalidParameter(f"--image {text!r} is not ROLE=IMAGE", hint=f"Roles: {', '.join(ROLES)}.")
        found[role] = image
    return found
