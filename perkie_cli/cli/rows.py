"""The rows of the JSON envelope, by command: the content of ``results``.

``python -m tests.made_schema`` makes ``docs/envelope.schema.json`` from this module.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from perkie_cli.cli.batch.rows import CutoutRow, EstimateRow, ItemRow, PictureRow, RunRow
from perkie_cli.cli.loadtest.rows import (
    ChaosCheckRow,
    ExperimentFileRow,
    ExperimentRow,
    LoadChangeRow,
    LoadRunRow,
    LoadScenarioFileRow,
    LoadScenarioRow,
)
from perkie_cli.cli.row_parts import IF_ANY, ErrorRow
from perkie_cli.domain.money.report import SpendTotal
from perkie_cli.domain.pictures.style import StyleFault
from perkie_cli.domain.quotas.limits import CounterState
from perkie_cli.ports import StateFile


@dataclass(frozen=True, slots=True)
class FailedRow:
    """An input that failed."""

    input: Path
    error: ErrorRow


@dataclass(frozen=True, slots=True)
class AreaRow:
    """The content of one area of the cache, and the last use of its oldest object."""

    area: str
    count: int
    bytes: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class ObjectRow:
    """One stored object."""

    key: str
    size: int
    content_type: str
    sha256: str
    created: datetime
    touched: datetime
    generation: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class FetchedRow(ObjectRow):
    """A stored object, and the file that it was copied to."""

    output: Path


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One problem in the cache."""

    key: str
    kind: str
    size: int
    remedy: str


@dataclass(frozen=True, slots=True)
class CounterChangeRow:
    """A counter before and after a change."""

    counter: str
    before: CounterState
    after: CounterState


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A lifecycle rule as Cloud Storage's JSON API writes it."""

    action: Mapping[str, Any]
    condition: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RuleChangeRow:
    """A rule that is removed or added."""

    change: Literal["remove", "add"]
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WeightsRow:
    """One matting model and its local files."""

    model: str
    mode: str
    state: str
    path: Path | None
    bytes: int | None
    onnx: Path | None
    md5: str | None


@dataclass(frozen=True, slots=True)
class NetworkRow:
    """A matting network of models.toml; ``path`` is None when its file is missing."""

    network: str
    title: str
    licence: str
    side: int
    path: Path | None


@dataclass(frozen=True, slots=True)
class ImageModelRow:
    """One image model of the Gemini API; ``usd`` by size."""

    model: str
    title: str
    state: str
    default: bool
    usd: Mapping[str, Decimal]
    retires: date | None
    successor: str | None


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The scores of one cut-out."""

    input: Path
    mae: float
    s_measure: float
    max_f: float
    sad: float
    gradient: float
    confidence: float
    model: str
    engine: str
    device: str
    processing_time: float


@dataclass(frozen=True, slots=True)
class CheckRow:
    """What a check of ``perkie doctor`` found, and what mends it; ``skipped`` is not ``ok``: nobody looked."""

    check: str
    level: Literal["error", "warning", "ok", "skipped"]
    message: str
    fix: str | None


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting."""

    name: str
    value: str | int | float | bool | Sequence[str] | None
    origin: str
    help: str


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """A file or folder that perkie uses."""

    what: str
    path: Path
    exists: bool


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file that was written."""

    path: Path


@dataclass(frozen=True, slots=True)
class ApiKeyRow:
    """An API key. ``key`` is the key itself, which only the run that made it knows; ``used``: when it was last used, as
    the configured store of quotas knows.
    """

    name: str
    id: str
    scopes: Sequence[str]
    valid: bool
    created: datetime | None
    expires: datetime | None
    used: datetime | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class StyleRow:
    """One style in brief."""

    id: str
    title: str
    aliases: Sequence[str]
    popular: bool
    source: str


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One parameter of a style's drawing: its value in this style, and what it may be."""

    name: str
    value: str | int | float | bool
    default: str | int | float | bool
    allowed: str
    help: str


@dataclass(frozen=True, slots=True)
class FullStyleRow(StyleRow):
    """One style with all its fields. ``parameters``: those that the file sets; ``all_parameters``: the drawing's."""

    prompt: str
    safe_prompt: str
    prompt_version: str
    recipe: str
    parameters: Mapping[str, Any]
    all_parameters: Sequence[ParameterRow]


@dataclass(frozen=True, slots=True)
class StyleFileRow:
    """A checked style file; a broken one has faults, and the others work without it."""

    source: str
    id: str
    ok: bool
    faults: Sequence[StyleFault]


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A contact sheet."""

    output: Path
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class VersionRow:
    """The version."""

    version: str


@dataclass(frozen=True, slots=True)
class StrategyRow:
    """What a strategy costs a day. Counts are expected values; ``break_even`` is a hit rate, 0..1."""

    strategy: str
    pictures: Decimal
    waited_for: Decimal
    unseen: Decimal
    usd: Decimal
    usd_per_photo: Decimal
    break_even: Decimal | None


@dataclass(frozen=True, slots=True)
class SpendRow:
    """Spending, summed up by the columns that were asked for."""

    calls: int
    pictures: int
    usd: Decimal
    possible_usd: Decimal
    wasted_usd: Decimal
    usd_per_thousand: Decimal | None
    day: date | None = field(default=None, metadata=IF_ANY)
    model: str | None = field(default=None, metadata=IF_ANY)
    style: str | None = field(default=None, metadata=IF_ANY)

    @classmethod
    def of(cls, columns: Mapping[str, str], total: SpendTotal) -> SpendRow:
        """The row of a total; ``columns`` by name."""
        return cls(
            total.calls, total.pictures, total.usd, total.possible_usd, total.wasted_usd, total.usd_per_thousand,
            day=date.fromisoformat(columns["day"]) if "day" in columns else None,
            model=columns.get("model"),
            style=columns.get("style"),
        )  # fmt: skip


ROWS: Mapping[str, tuple[type, ...]] = {
    "perkie": (VersionRow,),
    "stylize": (PictureRow, EstimateRow),
    "remove-bg": (CutoutRow,),
    "process": (CutoutRow, PictureRow, EstimateRow),
    "report list": (RunRow,),
    "report show": (ItemRow, FileRow),
    "styles list": (StyleRow, StyleFileRow),
    "styles check": (StyleFileRow,),
    "styles show": (FullStyleRow,),
    "styles preview": (SheetRow, FailedRow),
    "models list": (WeightsRow, NetworkRow, ImageModelRow),
    "models check": (ImageModelRow,),
    "models pull": (WeightsRow,),
    "models verify": (WeightsRow,),
    "models export": (WeightsRow,),
    "models evaluate": (ScoreRow, FailedRow),
    "cache stats": (AreaRow,),
    "cache inspect": (ObjectRow,),
    "cache get": (FetchedRow,),
    "cache warm": (PictureRow,),
    "cache purge": (AreaRow,),
    "cache verify": (FindingRow,),
    "quota show": (CounterState,),
    "quota reset": (CounterState, CounterChangeRow),
    "quota grant": (CounterState, CounterChangeRow),
    "state verify": (StateFile,),
    "keys create": (ApiKeyRow,),
    "keys list": (ApiKeyRow,),
    "keys revoke": (ApiKeyRow,),
    "doctor": (CheckRow,),
    "lifecycle show": (RuleRow,),
    "lifecycle diff": (RuleChangeRow,),
    "lifecycle apply": (RuleChangeRow,),
    "cost estimate": (StrategyRow,),
    "cost report": (SpendRow,),
    "config show": (SettingRow,),
    "config path": (PlaceRow,),
    "config init": (FileRow,),
    "deploy init": (FileRow,),
    "deploy render": (FileRow,),
    "load-test run": (LoadRunRow, LoadChangeRow),
    "load-test compare": (LoadChangeRow,),
    "load-test chaos": (ChaosCheckRow,),
    "load-test list": (LoadScenarioRow, ExperimentRow),
    "load-test show": (LoadScenarioFileRow, ExperimentFileRow),
    "serve": (),
    "emulate gemini": (),
    "emulate firestore": (),
    "emulate storage": (),
    "emulate gcp": (),
    "emulate all": (),
}
"""The row types of each command's ``results``; commands without rows use ``summary`` only."""


def as_fields(row: Any) -> dict[str, Any]:
    """The row as it appears in the envelope."""
    found: dict[str, Any] = {}
    for each in fields(row):
        value = getattr(row, each.name)
        if value is None and each.metadata.get("if_any"):
            continue
        found |= as_fields(value) if each.metadata.get("inside") else {each.name: value}
    return found
