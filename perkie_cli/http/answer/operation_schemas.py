"""Answers about the server itself, as in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from perkie_cli.http.answer.schemas import Answer


class HealthAnswer(Answer):
    """The process is alive."""

    status: Literal["ok"]
    version: str


class BreakerAnswer(Answer):
    """A breaker that is not closed: calls are kept back but for single probes, which customers' requests are."""

    state: Literal["open", "half_open"]
    next_probe: datetime = Field(description="When the next probe may pass.")
    wait: float = Field(description="Seconds until then; 0: the next request is one.")


class ReadyAnswer(Answer):
    """Whether this server is ready."""

    status: Literal["ready", "unavailable", "stopping"]
    dependencies: dict[str, str] = Field(description="By name: `ok` or the problem.")
    degraded: list[str] = Field(description="Optional ones that do not answer.")
    breakers: dict[str, BreakerAnswer] = Field({}, description="Those that are not closed, by dependency.")


class Substitute(Answer):
    """A picture that replaced the one that was asked for."""

    at: datetime
    style: str
    engine: str = Field(description="Who made it.")
    step: str = Field(description="Of the degradation ladder.", examples=["local"])
    reason: str = Field(description="Code of the error.", examples=["breaker_open"])
    cause: str


class RecentAnswer(Answer):
    """This process and its last substitutes."""

    instance: str = Field(description="Host and process.", examples=["perkie-1/17"])
    revision: str | None = Field(description="Cloud Run's.")
    version: str
    now: datetime
    substitutes: list[Substitute]


class WarmupAnswer(Answer):
    """What is loaded now."""

    status: Literal["warm", "skipped"]
    loaded: list[str]
    seconds: float
