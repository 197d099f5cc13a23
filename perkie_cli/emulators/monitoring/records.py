"""The marks of who changed a resource and when."""

from __future__ import annotations

from typing import Any

from perkie_cli.ports import Clock


def stamp(record: Any, clock: Clock) -> None:
    """Writes the time and a name into a MutationRecord."""
    record.mutate_time.FromDatetime(clock.now())
    record.mutated_by = "somebody@perkie.example"
