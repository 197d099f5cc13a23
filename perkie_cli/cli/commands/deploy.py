"""``perkie deploy``."""

from __future__ import annotations

import typer

from perkie_cli.cli.deploy.gating import gate
from perkie_cli.cli.deploy.rendering import init, render
from perkie_cli.cli.deploy.shipping import canary, check, rollback, status

app = typer.Typer(help="Ship to Cloud Run: manifests, checks, and a canary that goes back by itself.")
for command in (init, render, check, status, canary, gate, rollback):
    app.command()(command)
