"""The options of emulators."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from perkie_cli.cli import complete


def _port(help_: str) -> Any:
    return typer.Option(min=0, max=65535, metavar="N", help=help_)


Port = Annotated[int, _port("0 picks a free one.")]
AdminPort = Annotated[int, _port("Port of the admin API.")]
Host = Annotated[str, typer.Option(metavar="ADDR", help="Address to listen on.")]
PlanFile = Annotated[Path | None, typer.Option("--plan", metavar="FILE", help="Fault plan, TOML or JSON.")]
Seed = Annotated[int, typer.Option(metavar="N", help="Seed: the same calls get the same faults.")]
Locking = Annotated[
    str,
    typer.Option(
        "--transactions",
        metavar="optimistic|pessimistic",
        help="Concurrency mode of Firestore transactions.",
        autocompletion=complete.among(("optimistic", "pessimistic")),
    ),
]
Buckets = Annotated[list[str] | None, typer.Option("--bucket", metavar="NAME", help="Create this bucket; repeatable.")]
GeminiPort = Annotated[int, _port("Port of Gemini; 0 picks a free one.")]
StoragePort = Annotated[int, _port("Port of Cloud Storage.")]
Picture = Annotated[
    str,
    typer.Option(
        metavar="style|negative|tiny",
        help="Draw each photo, send its negative, or always the same small picture.",
        autocompletion=complete.among(("style", "negative", "tiny")),
    ),
]
FirestorePort = Annotated[int, _port("Port of Firestore; 0 picks a free one.")]
MonitoringPort = Annotated[int, _port("Port of Cloud Monitoring; 0 picks a free one.")]
RunPort = Annotated[int, _port("Port of Cloud Run; 0 picks a free one.")]
IamPort = Annotated[int, _port("Port of IAM; 0 picks a free one.")]
SigningKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--signing-key",
        metavar="FILE",
        help="Accept signed URLs made with this key: a service account's JSON key, or PEM; repeatable.",
    ),
]
