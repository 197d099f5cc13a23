"""google.monitoring.dashboard.v1.DashboardsService.

https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import grpc
from google.cloud.monitoring_dashboard_v1.types import dashboard as dashboard_types
from google.cloud.monitoring_dashboard_v1.types import dashboards_service as messages
from google.cloud.monitoring_dashboard_v1.types import xychart
from google.protobuf.empty_pb2 import Empty

from perkie_cli.emulators.monitoring.calls import Call
from perkie_cli.emulators.monitoring.kept import Kept, check_labels, check_text, numbered, parent_of
from perkie_cli.emulators.rpc_server import Refused, invalid

MOST_DASHBOARDS, MOST_COLUMNS, MOST_WIDGETS = 1000, 48, 100


class Dashboards:
    """The service."""

    name = "google.monitoring.dashboard.v1.DashboardsService"

    def __init__(self) -> None:
        self.kept = Kept("Dashboards", MOST_DASHBOARDS)

    def calls(self) -> Mapping[str, Call]:
        """The emulated calls."""
        return {
            "ListDashboards": Call(messages.ListDashboardsRequest.pb(), self._list),
            "GetDashboard": Call(messages.GetDashboardRequest.pb(), self._get),
            "CreateDashboard": Call(messages.CreateDashboardRequest.pb(), self._create),
            "UpdateDashboard": Call(messages.UpdateDashboardRequest.pb(), self._update),
            "DeleteDashboard": Call(messages.DeleteDashboardRequest.pb(), self._delete),
        }

    async def _list(self, request: Any) -> Any:
        return self.kept.page(request, messages.ListDashboardsResponse.pb()(), "dashboards")

    async def _get(self, request: Any) -> Any:
        return self.kept.get(numbered(request.name))

    async def _create(self, request: Any) -> Any:
        if request.dashboard.etag:
            raise invalid("Create Dashboard should not specify an etag.")
        dashboard = _checked(request.dashboard)
        dashboard.name = f"{parent_of(request.parent)}/dashboards/{self.kept.new_id()}"
        dashboard.etag = _etag(dashboard, self.kept)
        return self.kept.add(dashboard)

    async def _update(self, request: Any) -> Any:
        if not request.dashboard.etag:
            raise invalid("Update Dashboard should specify a non empty etag.")
        dashboard = _checked(request.dashboard)
        dashboard.name = numbered(dashboard.name)
        before = self.kept.get(dashboard.name)
        if before.etag != dashboard.etag:
            raise Refused(grpc.StatusCode.ABORTED, "The dashboard was changed since: its etag differs.")
        dashboard.etag = _etag(dashboard, self.kept)
        self.kept.messages[dashboard.name] = dashboard
        return dashboard

    async def _delete(self, request: Any) -> Any:
        self.kept.get(numbered(request.name))
        del self.kept.messages[numbered(request.name)]
        return Empty()


def _etag(dashboard: Any, kept: Kept) -> str:
    return hashlib.sha256(dashboard.SerializeToString() + kept.new_id().encode()).hexdigest()[:32]


def _checked(given: Any) -> Any:
    """The dashboard with what Google fills in. Raises: Refused."""
    dashboard = dashboard_types.Dashboard.pb()()
    dashboard.CopyFrom(given)
    check_text("dashboard.display_name", dashboard.display_name, 512)
    check_labels(dashboard.labels)
    layout = dashboard.mosaic_layout
    if dashboard.WhichOneof("layout") != "mosaic_layout":
        raise Refused(grpc.StatusCode.UNIMPLEMENTED, "Only mosaic layouts are emulated by perkie.")
    if not 1 <= layout.columns <= MOST_COLUMNS or len(layout.tiles) > MOST_WIDGETS:
        raise invalid(f"A mosaic has 1 to {MOST_COLUMNS} columns and at most {MOST_WIDGETS} tiles.")
    taken: set[tuple[int, int]] = set()
    for tile in layout.tiles:
        if tile.width < 1 or tile.height < 1 or tile.x_pos < 0 or tile.x_pos + tile.width > layout.columns:
            raise invalid(f"The tile {tile.widget.title!r} does not fit the columns.")
        cells = {(x, y) for x, y in _cells(tile)}
        if cells & taken:
            raise invalid(f"The tile {tile.widget.title!r} overlaps another one.")
        taken |= cells
        if tile.widget.WhichOneof("content") == "xy_chart":
            _complete(tile.widget.xy_chart)
    return dashboard


def _cells(tile: Any) -> Iterator[tuple[int, int]]:
    for x in range(tile.x_pos, tile.x_pos + tile.width):
        for y in range(tile.y_pos, tile.y_pos + tile.height):
            yield x, y


def _complete(chart: Any) -> None:
    if not chart.data_sets:
        raise invalid("A chart needs data sets.")
    axis = xychart.XyChart.DataSet.TargetAxis.Y1
    for each in chart.data_sets:
        if each.time_series_query.WhichOneof("source") is None:
            raise invalid("A data set needs a query.")
        each.target_axis = each.target_axis or axis
    for threshold in chart.thresholds:
        threshold.target_axis = threshold.target_axis or axis
    chart.timeshift_duration.SetInParent()
    chart.chart_options.mode = chart.chart_options.mode or xychart.ChartOptions.Mode.COLOR
    chart.y_axis.scale = chart.y_axis.scale or xychart.XyChart.Axis.Scale.LINEAR
    if not chart.y_axis.label:
        chart.y_axis.label = "y1Axis"
