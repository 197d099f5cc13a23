"""Cloud Monitoring's filter language: written from series of ``slo.yaml``, and read again to evaluate conditions.

https://cloud.google.com/monitoring/api/v3/filters
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping

from perkie_cli.domain.service_levels import Series
from perkie_cli.telemetry.catalogue import CATALOGUE

RESOURCE = "generic_task"  # perkie writes its metrics to this kind of resource
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_CALL = rf"[\w.]+\((?:{_QUOTED.pattern}(?:, )?)+\)"
_TERM = re.compile(rf"(metric\.type|resource\.type|metric\.labels\.\w+)\s*=\s*({_QUOTED.pattern}|{_CALL})")
_BURN = re.compile(r'select_slo_burn_rate\("([^"]+)",\s*"(\d+)s"\)')


def written(series: Series) -> str:
    """The filter that selects the series."""
    terms = [f'metric.type = "{CATALOGUE[series.metric].in_monitoring}"', f'resource.type = "{RESOURCE}"']
    terms += [f"metric.labels.{name} = {_value(values)}" for name, values in series.labels.items()]
    return " AND ".join(terms)


def _value(values: tuple[str, ...]) -> str:
    beginnings = [each for each in values if each.endswith("*")]
    if len(values) == 1:
        return f"starts_with({json.dumps(values[0][:-1])})" if beginnings else json.dumps(values[0])
    if not beginnings:
        return f"one_of({', '.join(map(json.dumps, values))})"
    patterns = "|".join(re.escape(each[:-1]) + ".*" if each.endswith("*") else re.escape(each) for each in values)
    return f"monitoring.regex.full_match({json.dumps(f'({patterns})')})"


def burn_rate(objective: str, seconds: float) -> str:
    """The selector of an objective's burn rate over a window."""
    return f'select_slo_burn_rate("{objective}", "{seconds:.0f}s")'


def burn_of(text: str) -> tuple[str, float] | None:
    """Objective and window of such a selector; None for other filters."""
    match = _BURN.fullmatch(text)
    return None if match is None else (match[1], float(match[2]))


def metric_type(text: str) -> str:
    """The filter's metric type.

    Raises: ValueError.
    """
    return json.loads(_terms(text)["metric.type"])  # type: ignore[no-any-return]


def selects(text: str) -> Callable[[str, Mapping[str, str]], bool]:
    """Whether a series of that metric type and labels is selected; resources are not looked at.

    Raises: ValueError for a filter that perkie does not write.
    """
    terms = _terms(text)
    labels = {name.rpartition(".")[2]: _matcher(value) for name, value in terms.items() if ".labels." in name}
    wanted = metric_type(text)
    return lambda metric, given: metric == wanted and all(fits(given.get(each, "")) for each, fits in labels.items())


def _terms(text: str) -> dict[str, str]:
    found = {}
    for term in text.split(" AND "):
        match = _TERM.fullmatch(term.strip())
        if match is None:
            raise ValueError(f"{term!r} is no term that perkie writes")
        found[match[1]] = match[2]
    if "metric.type" not in found:
        raise ValueError(f"{text!r} selects no metric")
    return found


def _matcher(value: str) -> Callable[[str], bool]:
    given = [json.loads(each) for each in _QUOTED.findall(value)]
    if value.startswith("starts_with("):
        return lambda text: text.startswith(given[0])
    if value.startswith("monitoring.regex.full_match("):
        pattern = re.compile(given[0])
        return lambda text: pattern.fullmatch(text) is not None
    return lambda text: text in given
