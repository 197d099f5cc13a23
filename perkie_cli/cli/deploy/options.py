"""What the commands of ``deploy`` share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from perkie_cli.cli import complete
from perkie_cli.ops.deploy.settings import ENVIRONMENTS, ROLES

FILE = Path("deploy.toml")

_environment = typer.Option(
    "--env",
    metavar="|".join(ENVIRONMENTS),
    help="Environment of the settings file.",
    autocompletion=complete.among(ENVIRONMENTS),
)
EnvironmentName = Annotated[str, _environment]
OptionalEnvironment = Annotated[str | None, _environment]
SettingsFile = Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="What is shipped where.")]
Images = Annotated[
    list[str] | None,
    typer.Option("--image", metavar="ROLE=IMAGE", help="Ship this image instead of the file's; repeatable."),
]
Role = Annotated[
    str,
    typer.Option(
        "--role", metavar="|".join(ROLES), help="Which of the services.", autocompletion=complete.among(ROLES)
    ),
]
Headers = Annotated[
    list[str] | None,
    typer.Option(
        "--header", "-H", metavar="NAME: VALUE", help="Send this to the revisions, such as a key; repeatable."
    ),
]
MaxUsd = Annotated[
    float | None,
    typer.Option(min=0, metavar="USD", help="Most that synthetic customers may cost (default: the file's)."),
]
