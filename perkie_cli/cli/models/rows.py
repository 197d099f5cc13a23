"""The rows of ``perkie models``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path

from perkie_cli.domain.frozen import frozen


@frozen
class WeightsRow:
    """One matting model and its local files."""

    model: str
    mode: str
    state: str
    path: Path | None
    bytes: int | None
    onnx: Path | None
    md5: str | None


@frozen
class NetworkRow:
    """A matting network of models.toml; ``path`` is None when its file is missing."""

    network: str
    title: str
    licence: str
    side: int
    path: Path | None


@frozen
class ImageModelRow:
    """One image model of the Gemini API; ``usd`` by size, ``batch_usd`` by way of the Batch API."""

    model: str
    title: str
    state: str
    default: bool
    usd: Mapping[str, Decimal]
    batch_usd: Mapping[str, Decimal]
    retires: date | None
    successor: str | None


@frozen
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
