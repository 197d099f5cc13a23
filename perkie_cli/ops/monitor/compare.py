"""What differs between a resource and what it should be, without what Google adds by itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from perkie_cli.ports.monitoring import Json, Kind

_PROJECT = re.compile(r"projects/[^/\"]+/")
_LONGEST = 80  # characters of a shown value
# What only Google sets, wherever it stands.
_ITS_OWN = {
    *("name", "etag", "creationRecord", "mutationRecord", "mutationRecords", "verificationStatus", "validity"),
    *("telemetry", "isInternal", "launchStage", "monitoredResourceTypes"),
}
# What Google fills in where nothing was said; each was reported as a difference that never ends, by users of others:
# https://github.com/hashicorp/terraform-provider-google/issues/20507, /7242, /16173, /14513
_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "enabled": (True,),
    "trigger": ({"count": 1},),
    "duration": ("0s",),
    "evaluationMissingData": ("EVALUATION_MISSING_DATA_NO_OP",),
    "mimeType": ("text/markdown",),
    "notificationPrompts": (["OPENED", "CLOSED"],),
    "crossSeriesReducer": ("REDUCE_NONE",),
    "alignmentPeriod": ("60s",),
    "targetAxis": ("Y1",),
    "timeshiftDuration": ("0s",),
    "chartOptions": ({"mode": "COLOR"},),
    "yAxis": ({"scale": "LINEAR"}, {"label": "y1Axis", "scale": "LINEAR"}),
    "requestMethod": ("GET",),
    "path": ("/",),
    "timeout": ("10s",),
    "checkerType": ("STATIC_IP_CHECKERS",),
    "acceptedResponseStatusCodes": ([{"statusClass": "STATUS_CLASS_2XX"}],),
    "metricVisibility": ("HEATMAP",),
}


def essence(kind: Kind, body: Json) -> Any:
    """The body without what Google adds, and without what is empty."""
    if kind is Kind.METRIC:  # labels and texts come with what is written, too
        return {name: body.get(name) for name in ("metricKind", "valueType")}
    bare = _bare({key: value for key, value in body.items() if key not in _ITS_OWN})
    if "notificationChannels" in bare:
        bare["notificationChannels"] = sorted(set(bare["notificationChannels"]))
    if kind is Kind.UPTIME:  # Google adds the project
        labels = {k: v for k, v in body.get("monitoredResource", {}).get("labels", {}).items() if k != "project_id"}
        bare["monitoredResource"] = {**bare.get("monitoredResource", {}), "labels": labels}
    return bare


def _bare(value: Any) -> Any:
    if isinstance(value, Mapping):
        found = {key: _bare(each) for key, each in value.items() if key not in _ITS_OWN}
        return {
            key: each
            for key, each in found.items()
            if each not in ({}, [], None) and each not in _DEFAULTS.get(key, ())
        }
    if isinstance(value, str):
        return _PROJECT.sub("projects/-/", value)  # Google answers with a project's number where its id was said
    return [_bare(each) for each in value] if isinstance(value, list) else value


def differences(kind: Kind, there: Json, wanted: Json) -> list[str]:
    """``goal: 0.95 → 0.99`` for each field that differs; empty when nothing does."""
    return [*_differ("", essence(kind, there), essence(kind, wanted))]


def _differ(path: str, there: Any, wanted: Any) -> Iterator[str]:
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        for key in [*wanted, *(key for key in there if key not in wanted)]:
            yield from _differ(f"{path}.{key}" if path else str(key), there.get(key), wanted.get(key))
    elif isinstance(there, list) and isinstance(wanted, list) and len(there) == len(wanted):
        for at, (one, other) in enumerate(zip(there, wanted, strict=True)):
            yield from _differ(f"{path}[{at}]", one, other)
    elif there != wanted:
        yield f"{path}: {_shown(there, wanted)} → {_shown(wanted, there)}"


def _shown(value: Any, other: Any) -> str:
    """In one line; of a long text the part around the first difference."""
    if value is None:
        return "(none)"
    text, compared = " ".join(str(value).split()), " ".join(str(other).split())
    if len(text) <= _LONGEST:
        return text
    at = next((n for n, (one, two) in enumerate(zip(text, compared, strict=False)) if one != two), len(text))
    begin = max(0, min(at - 20, len(text) - _LONGEST))
    return f"{'…' * (begin > 0)}{text[begin : begin + _LONGEST]}{'…' * (begin + _LONGEST < len(text))}"


def with_names(there: Json, wanted: Json) -> Json:
    """``wanted`` with the names of the conditions that are there: a condition without its name would become a new
    one, and open incidents would lose theirs.
    """
    conditions = wanted.get("conditions")
    if conditions is None:
        return wanted
    known = {each.get("displayName"): each.get("name") for each in there.get("conditions", ())}
    left = [each.get("name") for each in there.get("conditions", ())]
    kept = []
    for at, each in enumerate(conditions):
        name = known.get(each["displayName"]) or (left[at] if at < len(left) else None)
        kept.append({**each, "name": name} if name else each)
    return {**wanted, "conditions": kept}
