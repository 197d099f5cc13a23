"""What services of resources have in common: a bounded store, pages, and rules on labels, filters and durations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import grpc

from perkie_cli.emulators.rpc_server import Refused, invalid

NUMBER = "314159265358"  # Google answers with the project's number where its id was asked for
MOST_LABELS = 64
_LABEL = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_LABEL_VALUE = re.compile(r"[a-z0-9_-]{0,63}")
_METRIC = re.compile(r'metric\.type\s*=\s*"([^"]+)"')
_RESOURCE = re.compile(r'resource\.type\s*=\s*"([^"]+)"')
_BURN = re.compile(r'select_slo_burn_rate\("([^"]+)",\s*"?(\d+)([smhd])?"?\)')
BUILT_IN = ("monitoring.googleapis.com/", "run.googleapis.com/")


class Kept:
    """Resources of one kind by name. ``most``: how many a project may have."""

    def __init__(self, what: str, most: int) -> None:
        self.messages: dict[str, Any] = {}
        self._what, self._most = what, most
        self._next = 10_000

    def new_id(self) -> str:
        """An id that was never given before."""
        self._next += 1
        return str(self._next)

    def add(self, message: Any) -> Any:
        """Keeps it under its name. Raises: Refused."""
        if message.name in self.messages:
            raise Refused(grpc.StatusCode.ALREADY_EXISTS, f"{self._what} {message.name} already exists.")
        if len(self.messages) >= self._most:
            raise Refused(grpc.StatusCode.RESOURCE_EXHAUSTED, f"A project has at most {self._most} of {self._what}.")
        self.messages[message.name] = message
        return message

    def get(self, name: str) -> Any:
        """Raises: Refused with NOT_FOUND."""
        found = self.messages.get(name)
        if found is None:
            raise Refused(grpc.StatusCode.NOT_FOUND, f"{self._what} {name} does not exist.")
        return found

    def page(self, request: Any, answer: Any, field: str, among: Iterable[Any] | None = None) -> Any:
        """Fills a page of ``among`` (all) into the answer's ``field``. Raises: Refused."""
        found = list(self.messages.values() if among is None else among)
        if not (request.page_token or "0").isdecimal():
            raise invalid("The page token is not one of this service.")
        start, size = int(request.page_token or 0), request.page_size or 100
        getattr(answer, field).extend(found[start : start + size])
        if start + size < len(found):
            answer.next_page_token = str(start + size)
        return answer


def parent_of(name: str) -> str:
    """``projects/NUMBER`` of a name or parent that has the id. Raises: Refused."""
    parts = name.split("/")
    if len(parts) < 2 or parts[0] != "projects" or not parts[1]:
        raise invalid(f"{name!r} does not begin with projects/PROJECT.")
    return f"projects/{NUMBER}"


def numbered(name: str) -> str:
    """The name with the project's number. Raises: Refused."""
    return "/".join([parent_of(name), *name.split("/")[2:]])


def check_labels(labels: Any) -> None:
    """Raises: Refused."""
    if len(labels) > MOST_LABELS:
        raise invalid(f"At most {MOST_LABELS} user labels are allowed.")
    for key, value in labels.items():
        if not _LABEL.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            raise invalid(f"The user label {key!r}: {value!r} has characters that are not allowed, or is too long.")


def check_text(name: str, text: str, most: int, *, least: int = 1) -> None:
    """Raises: Refused."""
    if not least <= len(text) <= most:
        raise invalid(f"Field {name} had an invalid value: its length must be {least} to {most}.")


def check_duration(name: str, duration: Any, least: float, most: float, step: float = 60) -> None:
    """Whole steps within bounds, all in seconds. Raises: Refused."""
    seconds = duration.seconds + duration.nanos / 1e9
    if seconds % step or not least <= seconds <= most:
        raise invalid(
            f"Field {name} had an invalid value of {seconds:g}s: it must be a multiple of {step:g}s "
            f"from {least:g}s to {most:g}s."
        )


def check_filter(
    name: str, text: str, descriptors: Any, objectives: Kept, wanted: Callable[[Any], bool] | None = None
) -> None:
    """One metric type that exists, one resource type; or the burn rate of an objective that exists. Raises: Refused."""
    if "select_slo" in text:
        _check_burn(name, text, objectives)
        return
    metrics, resources = _METRIC.findall(text), _RESOURCE.findall(text)
    if len(metrics) != 1:
        raise invalid(f"Field {name} had an invalid value: the filter must specify a single metric type.")
    if len(resources) != 1:
        raise invalid(f"Field {name} had an invalid value: must specify a restriction on resource.type in the filter.")
    if metrics[0].startswith(BUILT_IN):
        return
    descriptor = descriptors.get(metrics[0])
    if descriptor is None:
        raise Refused(
            grpc.StatusCode.NOT_FOUND,
            f'Cannot find metric that matches type = "{metrics[0]}". If a metric was created recently, it could take '
            "up to 10 minutes to become available. Please try again soon.",
        )
    if wanted is not None and not wanted(descriptor):
        raise invalid(f"Field {name} had an invalid value: {metrics[0]} is of the wrong kind or value type.")


def metric_of(text: str) -> str:
    """The filter's metric type; empty without one."""
    found = _METRIC.search(text)
    return found[1] if found else ""


def _check_burn(name: str, text: str, objectives: Kept) -> None:
    match = _BURN.fullmatch(text)
    if match is None:
        raise invalid(f"Field {name} had an invalid value: the selector could not be parsed.")
    objectives.get(numbered(match[1]))


def fill(message: Any, **defaults: Any) -> None:
    """Sets fields that nobody has set."""
    for name, value in defaults.items():
        if not getattr(message, name):
            setattr(message, name, value)
