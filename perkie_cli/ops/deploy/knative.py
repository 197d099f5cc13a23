"""Manifests for `gcloud run services|jobs replace` and Cloud Deploy: Cloud Run's API v1, which is Knative's.

https://cloud.google.com/run/docs/reference/rest/v1/namespaces.services
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from perkie_cli.ops.deploy.container import (
    LIVENESS,
    PORT,
    STARTUP,
    VALUE,
    ProbeSpec,
    job_secrets,
    job_variables,
    variables,
)
from perkie_cli.ops.deploy.settings import SECRETS, Environment, JobSpec, ServiceSpec


def service(environment: Environment, spec: ServiceSpec) -> dict[str, Any]:
    """Without traffic: Cloud Deploy sets it, and `perkie deploy canary` does."""
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {
            "name": spec.name,
            "labels": labels(environment),
            "annotations": {
                "run.googleapis.com/ingress": "all",
                "run.googleapis.com/minScale": str(spec.min_instances),
            },
        },
        "spec": {"template": {"metadata": {"annotations": _annotations(spec)}, "spec": _revision(environment, spec)}},
    }


def labels(environment: Environment) -> dict[str, str]:
    """To find what belongs together, also on the bill."""
    return {"app": "perkie", "environment": environment.name}


def _annotations(spec: ServiceSpec) -> dict[str, str]:
    found = {
        "autoscaling.knative.dev/maxScale": str(spec.max_instances),
        "run.googleapis.com/cpu-throttling": _said(spec.cpu_idle),
        "run.googleapis.com/execution-environment": "gen2",
        "run.googleapis.com/startup-cpu-boost": _said(spec.startup_boost),
    }
    if spec.gpu:
        found["run.googleapis.com/gpu-zonal-redundancy-disabled"] = "true"
    return found


def _revision(environment: Environment, spec: ServiceSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "containerConcurrency": spec.concurrency,
        "timeoutSeconds": spec.timeout,
        "serviceAccountName": environment.email(spec.account),
        "containers": [
            {
                "name": "perkie",
                "image": spec.image,
                "ports": [{"name": "http1", "containerPort": PORT}],
                "env": _env(variables(environment, spec)),
                "resources": {"limits": limits(spec.cpu, spec.memory, spec.gpu)},
                "startupProbe": _probe(STARTUP[spec.role]),
                "livenessProbe": _probe(LIVENESS),
                "volumeMounts": _mounts(spec.secrets.values()),
            }
        ],
        "volumes": _volumes(spec.secrets.values()),
    }
    if spec.gpu:
        found["nodeSelector"] = {"run.googleapis.com/accelerator": spec.gpu}
    return found


def job(environment: Environment, spec: JobSpec) -> dict[str, Any]:
    """The cache warmer, from the artistic image."""
    secrets = job_secrets(environment).values()
    container = {
        "name": "perkie",
        "image": environment.services[0].image,
        "command": ["perkie"],
        "args": [*spec.args],
        "env": _env(job_variables(environment, spec)),
        "resources": {"limits": limits(spec.cpu, spec.memory)},
        "volumeMounts": _mounts(secrets),
    }
    task = {
        "containers": [container],
        "maxRetries": spec.retries,
        "timeoutSeconds": str(spec.timeout),
        "serviceAccountName": environment.email(spec.account),
        "volumes": _volumes(secrets),
    }
    execution = {"taskCount": spec.tasks, "parallelism": spec.tasks, "template": {"spec": task}}
    return {
        "apiVersion": "run.googleapis.com/v1",
        "kind": "Job",
        "metadata": {"name": spec.name, "labels": labels(environment)},
        "spec": {"template": {"spec": execution}},
    }


def limits(cpu: int, memory: str, gpu: str = "") -> dict[str, str]:
    """The same in both versions of the API."""
    return {"cpu": str(cpu), "memory": memory, **({"nvidia.com/gpu": "1"} if gpu else {})}


def _said(value: bool) -> str:
    return "true" if value else "false"


def _env(values: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in values.items()]


def _probe(probe: ProbeSpec) -> dict[str, Any]:
    return {
        "httpGet": {"path": "/health", "port": PORT},
        "periodSeconds": probe.period,
        "timeoutSeconds": probe.timeout,
        "failureThreshold": probe.failures,
    }


def _mounts(secrets: Iterable[str]) -> list[dict[str, str]]:
    return [{"name": name, "mountPath": f"{SECRETS}/{name}"} for name in sorted(set(secrets))]


def _volumes(secrets: Iterable[str]) -> list[dict[str, Any]]:
    items = [{"key": "latest", "path": VALUE}]
    return [{"name": name, "secret": {"secretName": name, "items": items}} for name in sorted(set(secrets))]
