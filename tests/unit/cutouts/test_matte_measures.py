from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from perkie_cli.services.cutouts.matte_measures import gradient_error, score


def case(seed: int, height: int = 60, width: int = 80) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    truth = (np.hypot(y - height * 0.45, x - width * 0.55) < height * 0.3) * 255
    soft = 255 / (1 + np.exp((np.hypot(y - height * 0.5, x - width * 0.5) - height * 0.28) / 4))
    matte = np.clip(soft + rng.normal(0, 20, (height, width)), 0, 255)
    matte = np.round((matte - matte.min()) / (matte.max() - matte.min()) * 255)
    return (matte / 255).astype(np.float32), (truth / 255).astype(np.float32)


# What pysodmetrics 1.6.2 says of the same arrays: (S-measure, largest F of its curve, MAE).
PUBLISHED = {
    0: (0.8217874685400219, 0.8445130013221683, 0.15263807189542483),
    1: (0.8207216150223751, 0.853865091088134, 0.15179330065359478),
    2: (0.8208211910221146, 0.8506562955760819, 0.15247140522875818),
}


@pytest.mark.parametrize(("seed", "expected"), PUBLISHED.items())
def test_the_measures_are_the_published_ones(seed: int, expected: tuple[float, float, float]) -> None:
    scores = score(*case(seed))
    assert (scores.s_measure, scores.max_f, scores.mae) == pytest.approx(expected, abs=1e-6)


def test_gradient_error_is_its_definition() -> None:
    matte, truth = case(0)
    x = np.arange(-5, 6)
    smooth, slope = np.exp(-x * x / 3.92), -x * np.exp(-x * x / 3.92)
    kernel = np.outer(smooth, slope)
    kernel /= np.sqrt((kernel**2).sum())

    def magnitude(values: NDArray[np.float32]) -> NDArray[np.float64]:
        sides = (cv2.filter2D(values.astype(float), -1, k, borderType=cv2.BORDER_REPLICATE) for k in (kernel, kernel.T))
        return np.hypot(*sides)

    assert gradient_error(matte, truth) == pytest.approx(
        ((magnitude(matte) - magnitude(truth)) ** 2).sum() / 1000, rel=1e-5
    )


def test_sad_is_in_thousands() -> None:
    matte, truth = case(0)
    assert score(matte, truth).sad == pytest.approx(np.abs(matte - truth).sum() / 1000, rel=1e-5)


def test_perfect_and_inverted() -> None:
    _, truth = case(0)
    perfect = score(truth, truth)
    assert (perfect.mae, perfect.sad, perfect.gradient) == (0, 0, 0)
    assert perfect.s_measure == pytest.approx(1, abs=1e-6)
    assert perfect.max_f == pytest.approx(1, abs=1e-6)
    inverted = score(1 - truth, truth)
    assert inverted.mae == 1
    assert inverted.s_measure < 0.1


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_truth_without_subject_or_without_background(level: float) -> None:
    truth = np.full((20, 30), level, np.float32)
    assert score(truth, truth).s_measure == 1
    assert score(1 - truth, truth).s_measure == 0


def test_a_subject_in_the_corner() -> None:
    truth = np.zeros((20, 30), np.float32)
    truth[-1, -1] = 1
    assert score(truth, truth).s_measure == pytest.approx(1, abs=1e-2)
