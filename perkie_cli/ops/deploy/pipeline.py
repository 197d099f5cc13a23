"""Cloud Deploy: one pipeline a service, staging before production, each step verified by `perkie deploy gate`.

https://cloud.google.com/deploy/docs/config-files and https://skaffold.dev/docs/references/yaml/
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perkie_cli.domain.deploy.traffic import CANARY, STABLE
from perkie_cli.ops.deploy.settings import Environment, ServiceSpec

API = "deploy.cloud.google.com/v1"
SKAFFOLD = "skaffold/v4beta11"


def cloud_deploy(environments: Sequence[Environment]) -> list[dict[str, Any]]:
    """Pipelines, then targets. The environments in the order in which a release passes them."""
    roles = list(dict.fromkeys(each.role for one in environments for each in one.services))
    return [*(_pipeline(role, environments) for role in roles), *(_target(each) for each in environments)]


def _pipeline(role: str, environments: Sequence[Environment]) -> dict[str, Any]:
    stages = [_stage(one, spec) for one in environments if (spec := one.service(role)) is not None]
    return {
        "apiVersion": API,
        "kind": "DeliveryPipeline",
        "metadata": {"name": f"perkie-{role}"},
        "description": f"perkie, {role}",
        "serialPipeline": {"stages": stages},
    }


def _stage(environment: Environment, spec: ServiceSpec) -> dict[str, Any]:
    strategy: dict[str, Any] = {"standard": {"verify": True}}
    if environment.name == "production":
        tags = {"canaryRevisionTags": [CANARY], "priorRevisionTags": [STABLE]}
        strategy = {
            "canary": {
                "runtimeConfig": {"cloudRun": {"automaticTrafficControl": True, **tags}},
                "canaryDeployment": {
                    "percentages": [step for step in environment.canary.steps if step < 100],
                    "verify": True,
                },
            }
        }
    return {"targetId": environment.name, "profiles": [_profile(environment, spec)], "strategy": strategy}


def _target(environment: Environment) -> dict[str, Any]:
    found: dict[str, Any] = {
        "apiVersion": API,
        "kind": "Target",
        "metadata": {"name": environment.name},
        "description": f"perkie, {environment.name}",
        "run": {"location": f"projects/{environment.project}/locations/{environment.region}"},
        "executionConfigs": [
            {
                "usages": ["RENDER", "DEPLOY", "VERIFY"],
                "serviceAccount": environment.email("perkie-deployer"),
            }
        ],
    }
    if environment.name == "production":
        found["requireApproval"] = True
    return found


def skaffold(environments: Sequence[Environment]) -> dict[str, Any]:
    """One profile for each service of each environment: Cloud Deploy takes one service a release."""
    return {
        "apiVersion": SKAFFOLD,
        "kind": "Config",
        "metadata": {"name": "perkie"},
        "profiles": [_skaffold_profile(one, spec) for one in environments for spec in one.services],
    }


def _skaffold_profile(environment: Environment, spec: ServiceSpec) -> dict[str, Any]:
    where = f"projects/{environment.project}/locations/{environment.region}/services/{spec.name}"
    container = {
        "name": "gate",
        "image": environment.tools_image or spec.image,
        "command": ["perkie"],
        "args": ["deploy", "gate", "--service", where],
    }
    return {
        "name": _profile(environment, spec),
        "manifests": {"rawYaml": [f"{environment.name}/{spec.role}.service.yaml"]},
        "deploy": {"cloudrun": {"projectid": environment.project, "region": environment.region}},
        "verify": [{"name": "gate", "container": container}],
    }


def _profile(environment: Environment, spec: ServiceSpec) -> str:
    return f"{environment.name}-{spec.role}"
