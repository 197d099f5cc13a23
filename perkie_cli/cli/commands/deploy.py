"""``perkie deploy``."""

from __future__ import annotations

import typer

from perkie_cli.cli.deploy.rendering import init, render

app = typer.Typer(help="Ship to Cloud Run: manifests, checks, and a canary that goes back by itself.")
for command in (init, render):
    app.command()(command)
