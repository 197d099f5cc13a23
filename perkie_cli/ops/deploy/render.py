"""All files of one environment, as text by path. The same settings give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from perkie_cli.domain.errors import MissingExtra
from perkie_cli.domain.storage.lifecycle import Rule
from perkie_cli.ops.deploy import knative, pipeline, setup_script
from perkie_cli.ops.deploy.settings import Environment

HEAD = "# Made by `perkie deploy render`; change deploy.toml instead.\n"


def rendered(environment: Environment, rules: Sequence[Rule], known: Sequence[Environment]) -> Mapping[str, str]:
    """The environment's own files in a folder of its name, and the pipeline over all that are ``known``.

    Raises: MissingExtra.
    """
    files = {f"{spec.role}.service.yaml": [knative.service(environment, spec)] for spec in environment.services}
    if environment.warm is not None:
        files["cache-warm.job.yaml"] = [knative.job(environment, environment.warm)]
    own = {f"{environment.name}/{name}": as_yaml(documents) for name, documents in files.items()}
    own |= {f"{environment.name}/{name}": text for name, text in setup_script.files(environment, rules).items()}
    return {
        **own,
        "clouddeploy.yaml": as_yaml(pipeline.cloud_deploy(known)),
        "skaffold.yaml": as_yaml([pipeline.skaffold(known)]),
    }


def as_yaml(documents: Sequence[Mapping[str, Any]]) -> str:
    """One or several documents.

    Raises: MissingExtra.
    """
    try:
        import yaml
    except ImportError as error:
        raise MissingExtra("perkie deploy needs PyYAML", hint="pip install 'perkie-cli[deploy]'") from error
    text: str = yaml.safe_dump_all(
        json.loads(json.dumps(documents)),  # no part twice, which would become an alias
        sort_keys=False,
        width=1000,
        explicit_start=len(documents) > 1,
    )
    return HEAD + text
