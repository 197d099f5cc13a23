"""The rows of the JSON envelope, by command: the content of ``results``. A row's class is beside its command.

``python -m tests.made_schema`` makes ``docs/envelope.schema.json`` from this table. No command imports it: it imports
all of them.
"""

from __future__ import annotations

from collections.abc import Mapping

from perkie_cli.cli.batch.rows import (
    AttemptRow,
    CutoutRow,
    EstimateRow,
    ItemRow,
    OrderRow,
    PictureRow,
    RunRow,
    SheetRow,
)
from perkie_cli.cli.commands.config import PlaceRow, SettingRow
from perkie_cli.cli.commands.cost import StrategyRow
from perkie_cli.cli.commands.keys import ApiKeyRow
from perkie_cli.cli.commands.quota import CounterChangeRow
from perkie_cli.cli.commands.state import StateFileRow
from perkie_cli.cli.commands.styles import FullStyleRow, StyleFileRow, StyleRow
from perkie_cli.cli.deploy.rows import DeployRequestRow, DeployShareRow, GateRow
from perkie_cli.cli.loadtest.rows import (
    ChaosCheckRow,
    ExperimentFileRow,
    ExperimentRow,
    LoadChangeRow,
    LoadRunRow,
    LoadScenarioFileRow,
    LoadScenarioRow,
)
from perkie_cli.cli.models.rows import ImageModelRow, NetworkRow, ScoreRow, WeightsRow
from perkie_cli.cli.money.spending import SpendRow
from perkie_cli.cli.monitor.rows import AlertRow, LiveRow, ResourceChangeRow
from perkie_cli.cli.row_parts import CheckRow, FailedRow, FileRow, VersionRow
from perkie_cli.cli.storage.rows import AreaRow, FetchedRow, FindingRow, GoneRow, ObjectRow, RuleChangeRow, RuleRow
from perkie_cli.domain.quotas.limits import CounterState
from perkie_cli.domain.records import AuditRecord, LogLine
from perkie_cli.ports import CopiedFile

ROWS: Mapping[str, tuple[type, ...]] = {
    "perkie": (VersionRow,),
    "stylize": (PictureRow, EstimateRow),
    "remove-bg": (CutoutRow,),
    "process": (CutoutRow, PictureRow, EstimateRow),
    "report list": (RunRow,),
    "report merge": (AttemptRow,),
    "report show": (ItemRow, FileRow),
    "report daily": (),
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
    "cache warm": (PictureRow, OrderRow),
    "cache purge": (AreaRow,),
    "cache verify": (FindingRow,),
    "cache restore": (GoneRow,),
    "quota show": (CounterState,),
    "quota reset": (CounterState, CounterChangeRow),
    "quota grant": (CounterState, CounterChangeRow),
    "quota charge": (CounterState, CounterChangeRow),
    "state verify": (StateFileRow,),
    "backup create": (CopiedFile,),
    "backup check": (CopiedFile,),
    "backup restore": (CopiedFile,),
    "keys create": (ApiKeyRow,),
    "keys list": (ApiKeyRow,),
    "keys revoke": (ApiKeyRow,),
    "doctor": (CheckRow,),
    "audit list": (AuditRecord,),
    "events": (LogLine,),
    "lifecycle show": (RuleRow,),
    "lifecycle diff": (RuleChangeRow,),
    "lifecycle apply": (RuleChangeRow,),
    "monitor show": (AlertRow, LiveRow),
    "monitor diff": (ResourceChangeRow,),
    "monitor apply": (ResourceChangeRow,),
    "cost estimate": (StrategyRow,),
    "cost report": (SpendRow,),
    "config show": (SettingRow,),
    "config path": (PlaceRow,),
    "config init": (FileRow,),
    "deploy init": (FileRow,),
    "deploy render": (FileRow,),
    "deploy check": (CheckRow,),
    "deploy status": (DeployShareRow,),
    "deploy canary": (DeployShareRow, DeployRequestRow),
    "deploy gate": (GateRow,),
    "deploy rollback": (DeployShareRow,),
    "load-test run": (LoadRunRow, LoadChangeRow),
    "load-test compare": (LoadChangeRow,),
    "load-test chaos": (ChaosCheckRow,),
    "load-test list": (LoadScenarioRow, ExperimentRow),
    "load-test show": (LoadScenarioFileRow, ExperimentFileRow),
    "serve": (),
    "emulate gemini": (),
    "emulate firestore": (),
    "emulate storage": (),
    "emulate monitoring": (),
    "emulate run": (),
    "emulate iam": (),
    "emulate gcp": (),
    "emulate all": (),
}
"""The row types of each command's ``results``; commands without rows use ``summary`` only."""
