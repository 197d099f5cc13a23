"""``perkie config``: settings with their origin."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from perkie_cli.batch.files import write_atomically
from perkie_cli.bootstrap import build_services
from perkie_cli.cli import complete
from perkie_cli.cli.choices import output_in
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import FileRow
from perkie_cli.cli.session import finish, settings_of
from perkie_cli.cli.table import Table
from perkie_cli.config.load import PROJECT_FILE, user_config_dir
from perkie_cli.config.schema import Row, Settings, rows
from perkie_cli.domain.errors import InvalidParameter, OutputExists, PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.secret import Secret, masked
from perkie_cli.domain.units import exact_duration

app = typer.Typer(help="Show settings and their origin, write a config file.")


@frozen
class SettingRow:
    """One setting. Of a secret the value is ``****``, and ``fingerprint`` the first digits of its SHA-256 if known."""

    name: str
    value: str | int | float | bool | Sequence[str] | None
    origin: str
    help: str
    fingerprint: str | None = None


@frozen
class PlaceRow:
    """A file or folder that perkie uses."""

    what: str
    path: Path
    exists: bool


@app.command()
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME", help="Only settings whose name begins with this.", autocompletion=complete.setting
        ),
    ] = None,
) -> None:
    """Show every setting, its value and its origin. Secrets are masked.

    A secret's fingerprint, the first eight digits of its SHA-256, tells which one is set without telling what it is.

    Examples:

      perkie config show

      perkie config show cache

      perkie --profile production config show --json
    """
    loaded = settings_of(ctx)
    chosen = [row for row in rows() if row.name.startswith(name or "")]
    if not chosen:
        raise InvalidParameter(f"no setting begins with {name!r}", hint="`perkie config show` lists all of them.")
    results, lines = [], []
    for row in chosen:
        value, origin = row.value(loaded.settings), loaded.origins[row.name]
        of, fingerprint = _known_of(value, loaded.settings) if isinstance(value, Secret) else ("", None)
        results.append(SettingRow(row.name, _shown(loaded.settings, row), origin, row.help, fingerprint))
        lines.append((row.name, format_setting(value) + of, origin))
    table = Table(("setting", "value", "from"), lines, prose=frozenset({"value", "from"}))
    finish(ctx, Report(results=results, text=[table]))


def _known_of(secret: Secret, settings: Settings) -> tuple[str, str | None]:
    """What may be told of a secret, and its fingerprint. Nothing is asked over the network."""
    place = secret.reference
    if place is None:
        return f" (sha256 {secret.fingerprint})", secret.fingerprint
    if secret.file is None:
        return f" ({place})", None
    try:
        kept = build_services(settings).resolved(secret)
    except PerkieError as error:
        return f" ({error.message})", None
    assert kept is not None
    return f" ({place}, sha256 {kept.fingerprint})", kept.fingerprint


def _shown(settings: Settings, row: Row) -> Any:
    """The value for JSON; durations as they are written in a file."""
    match row.value(settings):
        case tuple() as values:
            return [masked(str(each)) for each in values]
        case None | bool() | int() | float() as value:
            return value
        case timedelta() as value:
            return exact_duration(value)
        case value:
            return masked(str(value))


@app.command()
def path(ctx: typer.Context) -> None:
    """Show where perkie reads settings and stores its files.

    Examples:

      perkie config path

      perkie config path --json
    """
    loaded = settings_of(ctx)
    services = build_services(loaded.settings)
    places = [PlaceRow("config file", file, exists) for file, exists in loaded.files]
    for what, place in (
        ("styles", services.styles_dir),
        ("cache", services.cache_dir),
        ("state", services.state_dir),
        ("audit records", services.audit.path),
        ("models", services.model_dirs[0]),
    ):
        places.append(PlaceRow(what, place, place.exists()))
    table = Table(
        ("what", "path", "exists"), [(each.what, each.path, "yes" if each.exists else "no") for each in places]
    )
    finish(ctx, Report(results=places, text=[table]))


@app.command()
def init(
    ctx: typer.Context,
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="Default: the user's config file.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a config file with every setting, commented out at its default.

    Examples:

      perkie config init

      perkie config init -o perkie.toml
    """
    target = output_in(output, PROJECT_FILE) if output else user_config_dir(os.environ) / "config.toml"
    if target.exists() and not force:
        raise OutputExists(f"{target} exists", hint="Use --force to replace it, or -o for another file.")
    write_atomically(target, template().encode())
    finish(ctx, Report(results=[FileRow(target)], text=[str(target)]))


def template() -> str:
    """The commented config file."""
    lines = ["# perkie settings. Order of precedence: flags, PERKIE_* variables, ./perkie.toml, this file, defaults."]
    group = ""
    defaults = Settings()
    for row in rows():
        if (head := row.name.partition(".")[0]) != group:
            group = head
            lines += ["", f"[{group}]"]
        lines += [
            f"# {row.help} ({row.env_names[0]})",
            f"# {row.name.partition('.')[2]} = {format_setting(row.value(defaults))}",
        ]
    return "\n".join(lines) + "\n"


def format_setting(value: object) -> str:
    """The value as it is written in a config file."""
    match value:
        case None:
            return '""'
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case timedelta():
            return f'"{exact_duration(value)}"'
        case tuple():
            return "[" + ", ".join(map(format_setting, value)) + "]"
    return f'"{masked(str(value))}"'
