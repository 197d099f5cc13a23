"""The same service as JSON of Cloud Run's API v2, which the canary uses.

https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.services
"""

from __future__ import annotations

from typing import Any

from perkie_cli.ops.deploy.container import LIVENESS, PORT, STARTUP, VALUE, ProbeSpec, variables
from perkie_cli.ops.deploy.knative import labels, limits
from perkie_cli.ops.deploy.settings import SECRETS, Environment, ServiceSpec


def service(environment: Environment, spec: ServiceSpec) -> dict[str, Any]:
    """The whole service, without traffic."""
    return {
        "labels": labels(environment),
        "ingress": "INGRESS_TRAFFIC_ALL",
        "scaling": {"minInstanceCount": spec.min_instances},
        "template": template(environment, spec),
    }


def template(environment: Environment, spec: ServiceSpec, revision: str = "") -> dict[str, Any]:
    """The template of a revision. ``cpuIdle`` is always said: with limits, left out means billed for always."""
    secrets = sorted(set(spec.secrets.values()))
    found: dict[str, Any] = {
        "scaling": {"maxInstanceCount": spec.max_instances},
        "maxInstanceRequestConcurrency": spec.concurrency,
        "timeout": f"{spec.timeout}s",
        "serviceAccount": environment.email(spec.account),
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "containers": [
            {
                "name": "perkie",
                "image": spec.image,
                "ports": [{"name": "http1", "containerPort": PORT}],
                "env": [{"name": name, "value": value} for name, value in variables(environment, spec).items()],
                "resources": {
                    "limits": limits(spec.cpu, spec.memory, spec.gpu),
                    "cpuIdle": spec.cpu_idle,
                    "startupCpuBoost": spec.startup_boost,
                },
                "startupProbe": _probe(STARTUP[spec.role]),
                "livenessProbe": _probe(LIVENESS),
                "volumeMounts": [{"name": name, "mountPath": f"{SECRETS}/{name}"} for name in secrets],
            }
        ],
        "volumes": [
            {"name": name, "secret": {"secret": name, "items": [{"path": VALUE, "version": "latest"}]}}
            for name in secrets
        ],
    }
    if revision:
        found["revision"] = revision
    if spec.gpu:
        found |= {"nodeSelector": {"accelerator": spec.gpu}, "gpuZonalRedundancyDisabled": True}
    return found


def _probe(probe: ProbeSpec) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/health", "port": PORT},
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.failures,
    }
