"""Where the subject of a picture is, at full resolution, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from perkie_cli.engines.u2net.confidence import Confidence, assess
from perkie_cli.engines.u2net.network import SubjectNetwork, shared_network
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.tidy import tidy

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """``map`` is float32 (h, w) of the picture, 0..1: its alpha, were it cut out; all 0 where there is no subject.

    ``coarse`` is what the network said, float32 (320, 320), before anything was stretched or refined.
    """

    map: Floats
    coarse: Floats
    confidence: Confidence

    @property
    def alpha(self) -> Bytes:
        """uint8 (h, w)."""
        return np.asarray(np.round(self.map * 255), np.uint8)


def find_subject(rgb: Bytes, network: SubjectNetwork | None = None) -> Subject:
    """The subject of a uint8 (h, w, 3) picture. Deterministic; safe to call from several threads.

    Raises: BrokenInstall when the shipped weights are missing or changed.
    """
    network = network or shared_network()
    coarse = network.map(rgb)
    mirrored = network.map(np.ascontiguousarray(rgb[:, ::-1]))[:, ::-1]
    found = assess(coarse, mirrored)
    if not found.has_subject:
        return Subject(np.zeros(rgb.shape[:2], np.float32), coarse, found)
    return Subject(refine(rgb, tidy(coarse)), coarse, found)
