"""Runs an experiment with Chaos Toolkit, and then what Chaos Toolkit leaves out.

Rollbacks are played whatever happened, and no signal stops them. After them the steady state is verified once more.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from chaoslib.caching import cache_activities, clear_cache
from chaoslib.configuration import load_configuration
from chaoslib.experiment import run_experiment
from chaoslib.run import EventHandlerRegistry, RunEventHandler, initialize_run_journal
from chaoslib.secret import load_secrets
from chaoslib.types import Dry

from perkie_cli.loadtest.chaos.aftermath import finish_rollbacks, verify
from perkie_cli.loadtest.chaos.shield import Shield
from perkie_cli.loadtest.chaos.verdict import EXTENSION_KEY, why_failed

Say = Callable[[str], None]
Json = dict[str, Any]
SETTINGS: Json = {"runtime": {"rollbacks": {"strategy": "always"}}}  # always passed: else the user's own are read


def run(document: Mapping[str, Any], addresses: Mapping[str, str], shield: Shield, say: Say) -> Json:
    """Runs an experiment that was checked, in the main thread. Returns the journal.

    ``addresses`` are the values of ``${target}``, ``${gemini}`` …
    """
    logging.getLogger("chaostoolkit").disabled = True  # ``say`` tells what happens
    experiment = deepcopy(dict(document))
    experiment["configuration"] = {**(experiment.get("configuration") or {}), **addresses}
    _read_dry(experiment)
    watcher = _Watcher(shield, say, initialize_run_journal(experiment))
    try:
        run_experiment(experiment, settings=deepcopy(SETTINGS), event_handlers=[watcher])
    except KeyboardInterrupt:  # in one of the few places where Chaos Toolkit does not expect it
        watcher.journal["status"] = "interrupted"
    except Exception as error:  # noqa: BLE001  # as a tolerance that cannot be compared with what was found
        watcher.journal["status"] = "aborted"
        say(f"aborted: {type(error).__name__}: {error}")
    shield.close()
    cache_activities(experiment)
    events = EventHandlerRegistry()
    events.register(watcher)
    values = _values(experiment, watcher)
    try:
        finish_rollbacks(experiment, watcher.journal, values, events)
        say("is the steady state there again?")
        watcher.journal[EXTENSION_KEY] = {"steady_state_after_rollbacks": verify(experiment, values, events)}
    finally:
        clear_cache()
    return watcher.journal


def _read_dry(experiment: Json) -> None:
    """What is not to be done: Chaos Toolkit's own command reads these, and its library ignores what it did not read."""
    hypothesis = experiment.get("steady-state-hypothesis") or {}
    activities = [*(hypothesis.get("probes") or ()), *experiment["method"], *(experiment.get("rollbacks") or ())]
    for each in (experiment, *activities):
        if "dry" in each:
            each["dry"] = Dry.from_string(each["dry"])


class _Watcher(RunEventHandler):  # type: ignore[misc]  # chaoslib has no types
    """Tells what happens, and opens and closes the shield. An event handler must not raise: it would go unnoticed."""

    def __init__(self, shield: Shield, say: Say, journal: Json) -> None:
        self.journal = journal
        self.configuration: Json | None = None
        self.secrets: Json | None = None
        self._shield, self._say = shield, say

    def started(self, _experiment: Json, journal: Json) -> None:
        """Chaos Toolkit has set its own signal handlers just before."""
        self.journal = journal
        self._shield.open()

    def running(
        self, _experiment: Json, _journal: Json, configuration: Json, secrets: Json, _schedule: Any, _settings: Json
    ) -> None:
        """The values of ``${…}`` are known."""
        self.configuration, self.secrets = configuration, secrets

    def start_hypothesis_before(self, _experiment: Json) -> None:
        self._say("is the steady state there?")

    def start_method(self, _experiment: Json) -> None:
        self._say("method")

    def start_hypothesis_after(self, _experiment: Json) -> None:
        self._say("is the steady state still there?")

    def start_rollbacks(self, _experiment: Json) -> None:
        self._shield.close()
        self._say("rollbacks")

    def activity_completed(self, activity: Json, run: Json) -> None:
        """Tells how an activity went."""
        reason = f": {why}" if (why := why_failed(run)) else ""
        self._say(f"  {activity.get('name')}: {run.get('status', 'interrupted')}{reason}")


def _values(experiment: Json, watcher: _Watcher) -> tuple[Json, Json]:
    """What ``${…}`` stands for, also where the run ended before it knew."""
    configuration = watcher.configuration
    if configuration is None:
        configuration = load_configuration(experiment.get("configuration", {}))
    secrets = (
        watcher.secrets if watcher.secrets is not None else load_secrets(experiment.get("secrets", {}), configuration)
    )
    return configuration, secrets
