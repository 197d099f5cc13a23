from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from perkie_cli.engines.inspyrenet.confidence import assess
from perkie_cli.engines.inspyrenet.engine import finish
from perkie_cli.engines.inspyrenet.tensors import stretched, to_alpha


def aligned(values: NDArray[np.float32], height: int, width: int) -> NDArray[np.float64]:
    """Bilinear with aligned corners, straight from its definition."""
    y, x = np.linspace(0, values.shape[0] - 1, height), np.linspace(0, values.shape[1] - 1, width)
    rows = np.array([np.interp(x, np.arange(values.shape[1]), row) for row in values])
    return np.array([np.interp(y, np.arange(values.shape[0]), column) for column in rows.T]).T


@settings(max_examples=30, deadline=None)
@given(
    shape=st.tuples(st.integers(2, 20), st.integers(2, 20)),
    height=st.integers(2, 90),
    width=st.integers(2, 90),
    seed=st.integers(0, 9),
)
def test_alpha_is_bilinear_with_aligned_corners(shape: tuple[int, int], height: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).random(shape).astype(np.float32)
    assert np.abs(to_alpha(values, height, width) - 255 * aligned(values, height, width)).max() <= 0.51


def test_the_ends_are_kept() -> None:
    steep = np.zeros((4, 4), np.float32)
    steep[0, 0] = 1
    assert to_alpha(steep, 400, 300)[0, 0] == 255
    assert to_alpha(np.ones((4, 4), np.float32), 1, 1).item() == 255


def blob(*centres: tuple[float, float], size: int = 256, radius: float = 40, level: float = 1.0) -> NDArray[np.float32]:
    y, x = np.mgrid[:size, :size]
    inside = np.zeros((size, size))
    for cy, cx in centres:
        inside = np.maximum(inside, 1 / (1 + np.exp((np.hypot(y - cy, x - cx) - radius) / 2)))
    return (inside * level).astype(np.float32)


def test_one_clear_subject_is_sure() -> None:
    found = assess(blob((128, 128)))
    assert found.value > 0.9
    assert found.notes == ()


def test_near_pieces_are_one_subject() -> None:
    assert assess(blob((128, 100), (128, 185))).value > 0.9


def test_subjects_far_apart_are_doubted() -> None:
    found = assess(blob((50, 50), (200, 200)))
    assert found.value <= 0.5
    assert "several separate" in found.notes[0]


@pytest.mark.parametrize("level", [0.0, 0.1, 0.45])
def test_no_subject_never_becomes_a_full_contrast_mask(level: float) -> None:
    noise = (np.random.default_rng(0).random((256, 256)) * level).astype(np.float32)
    alpha, confidence, notes = finish(noise, 300, 300)
    assert confidence < 0.25
    assert alpha.max() <= 255 * level + 1
    assert notes == ("no clear subject was found",)
    assert stretched(noise).max() == pytest.approx(1, abs=0.01) or level == 0  # which upstream would return


def test_everything_undecided_is_doubted() -> None:
    ramp = np.tile(np.linspace(0.2, 0.8, 256, dtype=np.float32), (256, 1))
    found = assess(ramp)
    assert found.value < 0.5
    assert "neither clearly subject nor background" in found.notes[0]


def test_a_subject_that_hardly_stands_out_is_told() -> None:
    assert "hard to distinguish" in assess(0.6 + 0.3 * blob((128, 128))).notes[0]
