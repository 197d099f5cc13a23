"""What the service refuses: https://cloud.google.com/run/docs/reference/rpc/google.cloud.run.v2"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import grpc
from google.cloud import run_v2

from perkie_cli.emulators.rpc_server import Refused, invalid

_TAG = re.compile(r"[a-z](?:[a-z0-9-]{0,44}[a-z0-9])?")
_REVISION = re.compile(r"[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
_RESERVED = ("run.googleapis.com", "cloud.googleapis.com", "serving.knative.dev", "autoscaling.knative.dev")
LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
BY_NAME = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION


def check_service(service: Any, revisions: Collection[str]) -> None:
    """``revisions``: short names that traffic may go to, a new one among them. Raises: Refused."""
    for key in service.annotations:
        if key.split("/")[0] in _RESERVED:
            raise invalid(f"Annotation {key} is in a domain reserved by the system and may not be set.")
    containers = service.template.containers
    if not containers or not containers[0].image:
        raise invalid("service.template.containers: at least one container with an image is needed.")
    for container in containers:
        _check_container(container, gpu=bool(service.template.node_selector.accelerator))
    _check_traffic(service.traffic, revisions)


def _check_container(container: Any, *, gpu: bool) -> None:
    limits = dict(container.resources.limits)
    cpu = limits.get("cpu", "1")
    if cpu not in ("1", "2", "4", "8"):
        raise invalid(f"Invalid value specified for cpu: {cpu}. The following values are supported: 1, 2, 4, 8.")
    if cpu in ("4", "8") and limits.get("memory", "512Mi").endswith("Mi"):
        raise invalid(f"Invalid memory for {cpu} cpu: at least 2Gi are needed.")
    if gpu and container.resources.cpu_idle:
        raise invalid("CPU must always be allocated when a GPU is used: cpu_idle must be false.")


def _check_traffic(targets: Any, revisions: Collection[str]) -> None:
    tags = [each.tag for each in targets if each.tag]
    for tag in tags:
        if not _TAG.fullmatch(tag) or tags.count(tag) > 1:
            raise invalid(f"traffic: tag {tag!r} is not valid, or is used twice.")
    for target in targets:
        if target.type_ == BY_NAME and target.revision not in revisions:
            raise invalid(f"traffic: revision {target.revision!r} does not exist.")
        if target.type_ != BY_NAME and target.revision:
            raise invalid("traffic: a revision may be named only with allocation type REVISION.")
    if targets and sum(each.percent for each in targets) != 100:
        raise invalid("traffic: the percentages must add up to 100.")


def check_revision_name(name: str, service: str, taken: Collection[str]) -> None:
    """Raises: Refused."""
    if not _REVISION.fullmatch(name) or not name.startswith(f"{service}-"):
        raise invalid(f"template.revision {name!r} must start with {service}- and be a DNS label.")
    if name in taken:
        raise Refused(
            grpc.StatusCode.ALREADY_EXISTS, f"Revision named '{name}' with different configuration already exists."
        )
