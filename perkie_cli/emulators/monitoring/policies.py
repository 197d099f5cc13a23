"""google.monitoring.v3.AlertPolicyService: what Google refuses, and what it fills in.

https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.api import metric_pb2
from google.cloud.monitoring_v3.types import alert as messages_of_policies
from google.cloud.monitoring_v3.types import alert_service as messages
from google.cloud.monitoring_v3.types import common
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.monitoring.calls import Call
from perkie_cli.emulators.monitoring.kept import (
    Kept,
    check_duration,
    check_filter,
    check_labels,
    check_text,
    fill,
    metric_of,
    numbered,
    parent_of,
)
from perkie_cli.emulators.monitoring.records import stamp
from perkie_cli.emulators.rpc_server import invalid
from perkie_cli.ports import Clock

MOST_POLICIES, MOST_CONDITIONS, MOST_LINKS, MOST_CHANNELS = 2000, 6, 3, 16
LONGEST_ALIGNMENT, LONGEST_DURATION = 25 * 3600, 23.5 * 3600
_KIND = metric_pb2.MetricDescriptor.MetricKind
_TYPE = metric_pb2.MetricDescriptor.ValueType
_ALIGNERS = common.Aggregation.pb().Aligner
_REDUCERS = common.Aggregation.pb().Reducer
_COMPARISONS = (common.ComparisonType.COMPARISON_GT, common.ComparisonType.COMPARISON_LT)


class AlertPolicies:
    """The service. ``descriptors``: known metrics by type."""

    name = "google.monitoring.v3.AlertPolicyService"

    def __init__(self, clock: Clock, descriptors: Mapping[str, Any], objectives: Kept, channels: Kept) -> None:
        self.kept = Kept("Alert policies", MOST_POLICIES)
        self._clock = clock
        self._descriptors, self._objectives, self._channels = descriptors, objectives, channels

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        return {
            "ListAlertPolicies": Call(messages.ListAlertPoliciesRequest.pb(), self._list),
            "GetAlertPolicy": Call(messages.GetAlertPolicyRequest.pb(), self._get),
            "CreateAlertPolicy": Call(messages.CreateAlertPolicyRequest.pb(), self._create),
            "UpdateAlertPolicy": Call(messages.UpdateAlertPolicyRequest.pb(), self._update),
            "DeleteAlertPolicy": Call(messages.DeleteAlertPolicyRequest.pb(), self._delete),
        }

    async def _list(self, request: Any) -> Any:
        return self.kept.page(request, messages.ListAlertPoliciesResponse.pb()(), "alert_policies")

    async def _get(self, request: Any) -> Any:
        return self.kept.get(numbered(request.name))

    async def _create(self, request: Any) -> Any:
        policy = _copy(request.alert_policy)
        self._check(policy)
        if any(each.name for each in policy.conditions):
            raise invalid("Field alert_policy.conditions had an invalid value: names are assigned by the server.")
        policy.name = f"{parent_of(request.name)}/alertPolicies/{self.kept.new_id()}"
        self._complete(policy)
        stamp(policy.creation_record, self._clock)
        return self.kept.add(policy)

    async def _update(self, request: Any) -> Any:
        if request.HasField("update_mask"):
            raise invalid("Updating some fields only is not emulated by perkie.")
        policy = _copy(request.alert_policy)
        policy.name = numbered(policy.name)
        before = self.kept.get(policy.name)
        self._check(policy)
        known = {each.name for each in before.conditions}
        for each in policy.conditions:
            if each.name and each.name not in known:
                raise invalid(f"Field alert_policy.conditions had an invalid value: {each.name} is not of this policy.")
        self._complete(policy)
        policy.creation_record.CopyFrom(before.creation_record)
        self.kept.messages[policy.name] = policy
        return policy

    async def _delete(self, request: Any) -> Any:
        self.kept.get(numbered(request.name))
        del self.kept.messages[numbered(request.name)]
        return Empty()

    def _check(self, policy: Any) -> None:
        """Raises: Refused."""
        check_text("alert_policy.display_name", policy.display_name, 512)
        check_labels(policy.user_labels)
        if not policy.combiner:
            raise invalid("Field alert_policy.combiner had an invalid value: it must be set.")
        if not 1 <= len(policy.conditions) <= MOST_CONDITIONS:
            raise invalid(f"Field alert_policy.conditions had an invalid value: 1 to {MOST_CONDITIONS} are allowed.")
        _check_documentation(policy.documentation)
        if len(policy.notification_channels) > MOST_CHANNELS:
            raise invalid(f"At most {MOST_CHANNELS} notification channels are allowed.")
        for at, name in enumerate(policy.notification_channels):
            policy.notification_channels[at] = self._channels.get(numbered(name)).name
        if policy.alert_strategy.HasField("auto_close"):
            check_duration("alert_policy.alert_strategy.auto_close", policy.alert_strategy.auto_close, 1800, 604_800, 1)
        if policy.alert_strategy.HasField("notification_rate_limit"):
            raise invalid("Only policies with a condition on logs may set notification_rate_limit.")
        for number, condition in enumerate(policy.conditions):
            self._check_condition(f"alert_policy.conditions[{number}]", condition)

    def _check_condition(self, name: str, condition: Any) -> None:
        check_text(f"{name}.display_name", condition.display_name, 512)
        if condition.WhichOneof("condition") != "condition_threshold":
            raise invalid(f"Field {name}: only condition_threshold is emulated by perkie.")
        name, threshold = f"{name}.condition_threshold", condition.condition_threshold
        check_filter(f"{name}.filter", threshold.filter, self._descriptors, self._objectives)
        if threshold.comparison not in _COMPARISONS:
            raise invalid(f"Field {name}.comparison had an invalid value: only COMPARISON_LT and COMPARISON_GT.")
        check_duration(f"{name}.duration", threshold.duration, 0, LONGEST_DURATION)
        if threshold.evaluation_missing_data and not threshold.duration.seconds:
            raise invalid(
                f"Field {name}.evaluation_missing_data had an invalid value: Conditions setting "
                "evaluation_missing_data must have a non-zero duration."
            )
        if "select_slo" in threshold.filter:
            if threshold.aggregations or threshold.denominator_filter:
                raise invalid(f"Field {name}.filter: an SLO selector takes neither aggregations nor a denominator.")
            return
        _check_aggregations(name, threshold.aggregations, self._descriptor(threshold.filter))
        if threshold.denominator_filter:
            self._check_ratio(name, threshold)

    def _descriptor(self, text: str) -> Any:
        """Of the filter's metric; None for Google's own."""
        return self._descriptors.get(metric_of(text))

    def _check_ratio(self, name: str, threshold: Any) -> None:
        text = threshold.denominator_filter
        check_filter(f"{name}.denominator_filter", text, self._descriptors, self._objectives)
        _check_aggregations(name, threshold.denominator_aggregations, self._descriptor(text))
        above, below = threshold.aggregations[0], threshold.denominator_aggregations[0]
        same = above.alignment_period == below.alignment_period and above.group_by_fields == below.group_by_fields
        if not same:
            raise invalid(f"Field {name}: numerator and denominator must have the same alignment period and grouping.")

    def _complete(self, policy: Any) -> None:
        for condition in policy.conditions:
            if not condition.name:
                condition.name = f"{policy.name}/conditions/{self.kept.new_id()}"
            if not condition.condition_threshold.HasField("trigger"):
                condition.condition_threshold.trigger.count = 1
            condition.condition_threshold.duration.SetInParent()
        if not policy.HasField("enabled"):
            policy.enabled.value = True
        if policy.documentation.content:
            fill(policy.documentation, mime_type="text/markdown")
        if not policy.alert_strategy.notification_prompts:
            prompts = messages_of_policies.AlertPolicy.AlertStrategy.NotificationPrompt
            policy.alert_strategy.notification_prompts.extend([prompts.OPENED, prompts.CLOSED])
        stamp(policy.mutation_record, self._clock)


def _check_documentation(documentation: Any) -> None:
    content = documentation.content
    if len(content) > 8192 or len(content.encode()) > 10_240:
        raise invalid("Field alert_policy.documentation.content had an invalid value: it is too long.")
    if len(documentation.links) > MOST_LINKS:
        raise invalid(f"Field alert_policy.documentation.links had an invalid value: at most {MOST_LINKS} are allowed.")
    for each in documentation.links:
        check_text("alert_policy.documentation.links.display_name", each.display_name, 63)
        check_text("alert_policy.documentation.links.url", each.url, 2083)


def _check_aggregations(name: str, aggregations: Any, descriptor: Any) -> None:
    if not 1 <= len(aggregations) <= 2:
        raise invalid(f"Field {name}.aggregations had an invalid value: one or two are needed.")
    for each in aggregations:
        check_duration(f"{name}.aggregations.alignment_period", each.alignment_period, 60, LONGEST_ALIGNMENT, 1)
        if not each.per_series_aligner:
            raise invalid(f"Field {name}.aggregations had an invalid value: the per-series aligner must be set.")
    if descriptor is not None:
        _check_fit(name, aggregations[0], descriptor)


def _check_fit(name: str, aggregation: Any, descriptor: Any) -> None:
    """Aligners take some kinds of metrics only, and what is compared must be one number. Raises: Refused.

    https://cloud.google.com/monitoring/api/ref_v3/rest/v3/projects.alertPolicies#Aligner
    """
    aligner = _ALIGNERS.Name(aggregation.per_series_aligner)
    reducer = _REDUCERS.Name(aggregation.cross_series_reducer)
    gauge, cumulative = descriptor.metric_kind == _KIND.GAUGE, descriptor.metric_kind == _KIND.CUMULATIVE
    differs = aligner in ("ALIGN_DELTA", "ALIGN_RATE")
    if (differs and gauge) or (not differs and cumulative and aligner != "ALIGN_NONE"):
        kind = _KIND.Name(descriptor.metric_kind)
        raise invalid(f"Field {name}.aggregations had an invalid value: {aligner} cannot be applied to {kind} metrics.")
    is_number = "PERCENTILE" in aligner or "PERCENTILE" in reducer or reducer in ("REDUCE_COUNT", "REDUCE_MEAN")
    if descriptor.value_type == _TYPE.DISTRIBUTION and not is_number:
        raise invalid(f"Field {name}.aggregations had an invalid value: the result must be a number, no DISTRIBUTION.")


def _copy(policy: Any) -> Any:
    made = messages_of_policies.AlertPolicy.pb()()
    made.CopyFrom(policy)
    return made
