"""The builtin network and what is made of its answer."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from perkie_cli.domain.cutouts.result import LOW_CONFIDENCE
from perkie_cli.domain.errors import BrokenInstall
from perkie_cli.engines.u2net import closed_form, confidence, guided, network, subject, weights
from perkie_cli.engines.u2net.doubt import in_doubt
from perkie_cli.engines.u2net.engine import BuiltinEngine
from perkie_cli.engines.u2net.network import SIDE, shared_network, to_input
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.subject import find_subject
from perkie_cli.engines.u2net.tidy import tidy
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import MattingJob
from perkie_cli.system.threads import thread_workers
from tests.conftest import CAT
from tests.fur import make_fur
from tests.pets import cut_out_pet


def cat() -> np.ndarray:
    return np.asarray(Image.open(CAT).convert("RGB"))


def error(alpha: np.ndarray, truth: np.ndarray) -> float:
    return float(np.abs(alpha.astype(int) - truth).mean())


# ------------------------------------------------------------------------------------------------ weights and network
def test_shipped_weights_are_the_published_ones() -> None:
    assert hashlib.md5(weights.read_weights(), usedforsecurity=False).hexdigest() == "8e83ca70e441ab06c318d82300c84806"


def test_missing_and_changed_weights_name_the_reinstall(tmp_path: Path) -> None:
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(weights.SHIPPED.read_bytes()[:-1] + b"?")
    for path in (tmp_path / "missing.onnx", changed):
        with pytest.raises(BrokenInstall, match=path.name) as raised:
            weights.read_weights(path)
        assert raised.value.exit_code == 1
        assert "pip install --force-reinstall" in (raised.value.hint or "")


@pytest.mark.parametrize("shape", [(300, 451), (320, 320), (900, 257)])
def test_opencv_and_onnx_runtime_agree_on_the_map(shape: tuple[int, int]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(weights.read_weights(), providers=["CPUExecutionProvider"])
    picture: Any = cv2.resize(cat(), shape[::-1])
    theirs = session.run(["1959"], {session.get_inputs()[0].name: to_input(picture, SIDE)})[0][0, 0]
    assert np.abs(shared_network().map(picture) - theirs).max() < 1e-3


# ------------------------------------------------------------------------------------------------ the whole way
def test_the_shipped_cat_keeps_its_face_and_loses_the_room() -> None:
    found = find_subject(cat())
    assert found.alpha.shape == (300, 451)
    assert found.alpha[40:190, 90:300].min() > 250
    assert found.alpha[:150, 420:].max() == 0
    assert found.confidence.value >= LOW_CONFIDENCE
    assert found.confidence.notes == ()


def as_a_network_sees(alpha: np.ndarray) -> np.ndarray:
    """A coarse map: no hair, soft for some pixels."""
    small = cv2.GaussianBlur(
        cv2.resize(alpha / np.float32(255), (SIDE, SIDE), interpolation=cv2.INTER_AREA), (0, 0), 1.5
    )
    blurred: np.ndarray = cv2.GaussianBlur(np.clip((small - 0.3) / 0.4, 0, 1), (0, 0), 1)
    return blurred


@pytest.mark.parametrize(("coat", "ground"), [((60, 50, 40), (190, 200, 210)), ((220, 210, 200), (60, 90, 60))])
def test_it_finds_hairs_that_the_network_does_not_see(coat: Any, ground: Any) -> None:
    fur = make_fur(coat, ground, 525, 675)
    coarse = as_a_network_sees(fur.alpha)
    plain = cv2.resize(coarse, fur.alpha.shape[::-1]) * 255
    assert error(refine(fur.picture, coarse), fur.alpha) < 0.7 * error(plain, fur.alpha)


def test_a_coat_like_its_ground_is_left_to_the_network() -> None:
    fur = make_fur((120, 90, 60), (112, 88, 66), 525, 675)
    coarse = as_a_network_sees(fur.alpha)
    plain = cv2.resize(coarse, fur.alpha.shape[::-1]) * 255
    assert error(refine(fur.picture, coarse), fur.alpha) < 1.1 * error(plain, fur.alpha)


def test_a_small_pet_is_looked_at_again_and_lands_where_it_was() -> None:
    picture, truth = cut_out_pet(300, 300)
    wide = np.full((1500, 2000, 3), picture[0, 0], np.uint8)
    wide[900:1200, 1300:1600] = picture
    wide = np.clip(wide + np.random.default_rng(0).normal(0, 4, wide.shape), 0, 255).astype(np.uint8)
    expected = np.zeros(wide.shape[:2], np.uint8)
    expected[900:1200, 1300:1600] = truth
    found = find_subject(wide)
    assert found.confidence.has_subject
    assert error(found.alpha, expected) < 0.5


def test_doubt_is_a_wide_place_of_middling_values_and_no_soft_edge() -> None:
    coarse: Any = np.zeros((SIDE, SIDE), np.float32)
    coarse[100:220, 100:220] = 1
    coarse = cv2.GaussianBlur(coarse, (0, 0), 2)
    coarse[120:200, 220:260] = 0.5  # a second eye, say
    alpha = np.zeros((600, 900), np.uint8)
    alpha[187:413, 281:619] = 255
    doubt: Any = cv2.resize(in_doubt(coarse, alpha, (slice(0, 600), slice(0, 900))), (SIDE, SIDE))
    assert doubt[140:180, 230:250].min() > 0.8
    assert doubt[:90].max() == 0
    assert doubt[:, :210].max() < 0.1
    assert find_subject(cat()).doubt[:30, -30:].max() == 0


@pytest.mark.parametrize("grey", [False, True])
def test_a_face_that_fills_the_picture_is_not_taken_for_its_eyes(grey: bool) -> None:
    picture = cat()
    if grey:
        picture = cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    found = find_subject(picture)
    assert found.alpha[40:190, 90:300].mean() > 250
    assert found.confidence.value >= LOW_CONFIDENCE


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((300, 400, 3), np.uint8),
        np.full((300, 400, 3), 255, np.uint8),
        np.full((300, 400, 3), (90, 120, 60), np.uint8),
        np.repeat(np.linspace(0, 255, 400).astype(np.uint8)[None, :, None], 300, 0).repeat(3, 2),
        np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8),
    ],
    ids=["black", "white", "even", "ramp", "noise"],
)
def test_where_nothing_is_there_is_no_mask_of_noise(picture: np.ndarray) -> None:
    found = find_subject(picture)
    assert found.confidence.value < LOW_CONFIDENCE
    assert found.confidence.notes
    if not found.confidence.has_subject:
        assert found.alpha.max() == 0


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (1, 500), (40, 3000), (257, 256), (3000, 70)])
def test_every_shape_gets_its_alpha(shape: tuple[int, int]) -> None:
    picture: Any = cv2.resize(cat(), shape[::-1])
    assert find_subject(picture).alpha.shape == shape


def test_black_parts_do_not_make_it_answer_nothing() -> None:
    picture = cat().copy()
    picture[150:, :] = 0
    assert np.isfinite(find_subject(picture).map).all()


# ------------------------------------------------------------------------------------------------ the same every time
def digest(alpha: np.ndarray) -> str:
    return hashlib.sha256(alpha.tobytes()).hexdigest()


def test_threads_at_once_get_what_one_alone_gets() -> None:
    pictures = [cat(), np.ascontiguousarray(cat()[:, ::-1]), np.ascontiguousarray(cat()[::-1])]
    alone = [digest(find_subject(each).alpha) for each in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda each: digest(find_subject(each).alpha), pictures * 2))
    assert together == alone * 2


_ELSEWHERE = """
import hashlib, sys
import cv2, numpy as np
from PIL import Image
from perkie_cli.engines.u2net.refine import refine
from perkie_cli.engines.u2net.subject import find_subject
cv2.setNumThreads(int(sys.argv[2]))
print(hashlib.sha256(find_subject(np.asarray(Image.open(sys.argv[1]).convert("RGB"))).alpha.tobytes()).hexdigest())
"""


@pytest.mark.parametrize("threads", [1, 3])
def test_another_process_gets_the_same_whatever_its_threads(threads: int) -> None:
    command = [sys.executable, "-c", _ELSEWHERE, str(CAT), str(threads)]
    other = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    assert other == digest(find_subject(cat()).alpha)


# ------------------------------------------------------------------------------------------------ the engine
async def test_the_engine_says_what_it_is_and_has_one_recipe_for_both_modes() -> None:
    workers = thread_workers(1)
    engine = BuiltinEngine(workers)
    assert await engine.warm_up("fast") == "cpu"
    matte = await engine.matte(MattingJob(Raster(cat())))
    assert (matte.engine, matte.model, matte.device) == ("builtin", "u2netp", "cpu")
    assert matte.notes == ()
    assert engine.recipe("base").fingerprint == engine.recipe("fast").fingerprint
    workers.close()


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0)])
async def test_a_mount_around_the_photo_changes_nothing_within(colour: tuple[int, int, int]) -> None:
    workers = thread_workers(1)
    engine = BuiltinEngine(workers)
    framed = cv2.copyMakeBorder(cat(), 40, 40, 90, 90, cv2.BORDER_CONSTANT, value=colour)
    bare, within = [await engine.matte(MattingJob(Raster(np.asarray(each, np.uint8)))) for each in (cat(), framed)]
    outside = within.alpha.copy()
    outside[40:-40, 90:-90] = 0
    assert not outside.any()
    assert within.confidence > LOW_CONFIDENCE
    assert error(within.alpha[44:-44, 94:-94], bare.alpha[4:-4, 4:-4]) < 4
    workers.close()


async def test_the_network_is_read_ahead_once_and_its_absence_is_told_when_it_is_needed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reads = []

    def missing(*_: object) -> Any:
        reads.append(1)
        return weights.read_weights(Path("nowhere"))

    for module in (network, subject):
        monkeypatch.setattr(module, "shared_network", missing)
    workers = thread_workers(1)
    engine = BuiltinEngine(workers)
    with pytest.raises(BrokenInstall, match="nowhere"):
        await engine.load()
    await engine.load()
    assert reads == [1]
    with pytest.raises(BrokenInstall, match="nowhere"):
        await engine.matte(MattingJob(Raster(cat())))
    workers.close()


# ------------------------------------------------------------------------------------------------ confidence
def blob(side: int = 320, radius: int = 90, level: float = 1.0) -> np.ndarray:
    map_ = np.zeros((side, side), np.float32)
    cv2.circle(map_, (side // 2, side // 2), radius, level, -1)
    return map_


def never() -> np.ndarray:
    raise AssertionError("the glance was clear enough")


def test_a_decided_map_that_its_mirror_image_repeats_is_sure() -> None:
    assert confidence.assess(blob(), blob(192, 54), never).value > 0.9


@pytest.mark.parametrize(
    ("map_", "glance", "said"),
    [
        (blob(), np.roll(blob(), 130, 1), "mirrored"),
        (blob() + 0.5 * (blob(radius=110) - blob()), blob(radius=92), "neither clearly"),
        (blob(radius=20), blob(radius=20), "very small"),
        (blob(level=0.85), blob(level=0.85), "hard to distinguish"),
    ],
)
def test_each_doubt_is_named_and_makes_it_unsure(map_: Any, glance: Any, said: str) -> None:
    found = confidence.assess(map_, glance, never)
    assert found.value < LOW_CONFIDENCE
    assert [said in note for note in found.notes] == [True]


@pytest.mark.parametrize(("careful", "sure"), [(blob(), True), (np.roll(blob(), 40, 1), False)])
def test_where_a_glance_leaves_a_doubt_a_careful_look_decides(careful: Any, sure: bool) -> None:
    found = confidence.assess(blob(), np.roll(blob(), 40, 1), lambda: careful)
    assert (found.value >= LOW_CONFIDENCE) is sure


def test_a_part_of_the_picture_counts_for_its_share() -> None:
    close = blob(radius=100)
    assert confidence.assess(close, close, never, share=1).value > 0.9
    assert "very small" in confidence.assess(close, close, never, share=0.05).notes[0]


# ------------------------------------------------------------------------------------------------ holes and islands
def test_a_name_tag_is_filled_but_not_the_ground_between_the_legs() -> None:
    map_ = blob(radius=100)
    cv2.circle(map_, (140, 140), 8, 0, -1)
    cv2.circle(map_, (190, 200), 30, 0, -1)
    tidied = tidy(map_)
    assert tidied[140, 140] == 1
    assert tidied[200, 190] == 0


def test_a_notch_at_the_picture_s_edge_stays_open() -> None:
    map_ = np.ones((320, 320), np.float32)
    map_[:6, 150:160] = 0
    assert tidy(map_)[0, 155] == 0


def test_specks_go_and_a_second_pet_stays() -> None:
    map_ = blob(radius=60)
    cv2.circle(map_, (40, 40), 5, 1, -1)
    cv2.circle(map_, (280, 280), 25, 1, -1)
    tidied = tidy(map_)
    assert tidied[40, 40] == 0
    assert tidied[280, 280] == 1


# ------------------------------------------------------------------------------------------------ edges
def test_an_affine_function_of_colour_is_found_again() -> None:
    picture = np.random.default_rng(0).random((40, 50, 3)).astype(np.float32)
    values = picture @ np.array([0.2, -0.3, 0.5], np.float32) + 0.4
    model = guided.fit(picture, values, 4, 1e-9)
    assert np.abs(model.evaluated(picture) - values).max() < 1e-4


def test_the_guided_filter_is_finite_on_flat_black() -> None:
    picture = np.zeros((60, 80, 3), np.float32)
    picture[:, 40:] = 1e-3
    values = np.zeros((60, 80), np.float32)
    values[:, 41:] = 1
    assert np.isfinite(guided.fit(picture, values, 3, 1e-5).evaluated(picture)).all()


def dense_laplacian(picture: np.ndarray) -> np.ndarray:
    """Equation 12 of Levin et al. (2006), window by window as it stands there."""
    height, width, _ = picture.shape
    number = np.arange(height * width).reshape(height, width)
    total = np.zeros((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            window = slice(y - 1, y + 2), slice(x - 1, x + 2)
            colours, at = picture[window].reshape(9, 3), number[window].ravel()
            mean = colours.mean(0)
            covariance = (colours - mean).T @ (colours - mean) / 9
            inner = np.linalg.inv(covariance + 1e-6 / 9 * np.eye(3))
            total[np.ix_(at, at)] += np.eye(9) - (1 + (colours - mean) @ inner @ (colours - mean).T) / 9
    return total


def test_closed_form_matting_solves_the_paper_s_equations() -> None:
    rng = np.random.default_rng(1)
    picture: Any = cv2.GaussianBlur(rng.random((14, 16, 3)), (0, 0), 1.0)
    open_ = np.zeros((14, 16), bool)
    open_[4:10, 4:12] = True  # its windows stay inside the picture
    start = (np.arange(16)[None] > 8).astype(np.float32).repeat(14, 0)
    prior = np.full((14, 16), 0.01, np.float32)
    laplacian, inside = dense_laplacian(picture), open_.ravel()
    matrix = laplacian[np.ix_(inside, inside)] + 0.01 * np.eye(inside.sum())
    right = 0.01 * start.ravel()[inside] - laplacian[np.ix_(inside, ~inside)] @ start.ravel()[~inside]
    expected = np.clip(np.linalg.solve(matrix, right), 0, 1)
    solved = closed_form.solve(picture, start, open_, prior, 500)
    assert np.abs(solved.ravel()[inside] - expected).max() < 2e-3
    assert np.array_equal(solved[~open_], start[~open_])
