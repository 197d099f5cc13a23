"""The service levels as rules of the gate. This module is all that knows where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from perkie_cli.domain.deploy.gate import Rule
from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.loadtest.reading.scenario_file import service_levels
from perkie_cli.loadtest.thresholds import Threshold, parse_rule

# Levels that can be told apart by revision, and the route that they are about; empty: everything that customers call.
GATED: Mapping[str, str] = {
    "availability": "",
    "error_rate": "",
    "generation": "/api/v1/generate",
    "cutout": "/remove-background",
    "health": "/health",
}


def gate_rules(names: Sequence[str]) -> Sequence[Rule]:
    """One rule for each level.

    Raises: InvalidParameter for a level that is no share of bad answers.
    """
    known = service_levels() if names else {}
    return [_rule(name, known[name]) for name in names]


def _rule(name: str, text: str) -> Rule:
    threshold = Threshold(text, *parse_rule(text))
    metric, upper = threshold.metric, threshold.sign.startswith("<")
    if metric == "error_rate" and upper:
        return Rule(name, text, threshold.bound, route=GATED[name])
    if metric.startswith("share_below_") and not upper:
        return Rule(name, text, 1 - threshold.bound, threshold.seconds, GATED[name])
    if metric.startswith("p") and upper and threshold.seconds is not None:
        return Rule(name, text, 1 - float(metric[1:]) / 100, threshold.seconds, GATED[name])
    raise InvalidParameter(f"{name} = {text!r} cannot be a gate", hint="A gate is a share of bad answers.")
