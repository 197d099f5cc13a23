"""``perkie deploy init`` and ``render``."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Annotated

import typer

from perkie_cli.batch.files import write_atomically
from perkie_cli.cli.deploy.options import FILE, EnvironmentName, Images, SettingsFile
from perkie_cli.cli.render import Report
from perkie_cli.cli.row_parts import FileRow
from perkie_cli.cli.session import finish, renderer_of, services_of
from perkie_cli.domain.errors import ChangesPending, OutputExists

OutDir = Annotated[
    Path, typer.Option("--out-dir", "-o", readable=False, metavar="DIR", help="Folder of the files that are made.")
]


def init(
    ctx: typer.Context,
    output: Annotated[Path, typer.Option("--output", "-o", readable=False, metavar="FILE", help="Its name.")] = FILE,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing file.")] = False,
) -> None:
    """Write a settings file to fill in: two environments, with comments.

    Examples:

      perkie deploy init
    """
    if output.exists() and not force:
        raise OutputExists(f"{output} exists", hint="Use --force to replace it, or -o for another file.")
    text = (resources.files("perkie_cli") / "data" / "deploy.toml").read_bytes()
    write_atomically(output, text)
    renderer_of(ctx).say("Fill in projects, images and buckets, then: perkie deploy render --env staging")
    finish(ctx, Report(results=[FileRow(output)], text=[str(output)]))


def render(
    ctx: typer.Context,
    env: EnvironmentName,
    file: SettingsFile = FILE,
    out_dir: OutDir = Path("deploy"),
    image: Images = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit 8 if a file differs.")] = False,
) -> None:
    """Write manifests, a script of gcloud commands, and a Cloud Deploy pipeline.

    The same settings give the same bytes, so that the files can be kept in Git.
    Nothing remote is read or changed.

    Examples:

      perkie deploy render --env staging

      perkie deploy render --env production -o deploy --check
    """
    from perkie_cli.domain.storage.lifecycle import rules_for
    from perkie_cli.ops.deploy.read import images_from, read_environment, read_known
    from perkie_cli.ops.deploy.render import rendered

    images = images_from(image or [])
    environment = read_environment(file, env, images)
    files = rendered(environment, rules_for(services_of(ctx).lifetimes), read_known(file, environment, images))
    differ = [name for name, text in files.items() if _content(out_dir / name) != text.encode()]
    error = None
    if check and differ:
        hint = f"`perkie deploy render --env {env}` writes them."
        error = ChangesPending(f"{', '.join(differ)} in {out_dir} differ from {file}", hint=hint)
    elif not check:
        for name in differ:
            write_atomically(out_dir / name, files[name].encode(), 0o777 if name.endswith(".sh") else 0o666)
    paths = [out_dir / name for name in (differ if check else files)]
    finish(ctx, Report([FileRow(path) for path in paths], {"changed": len(differ)}, [*map(str, paths)], error))


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None
