"""Networks of models.toml: made ONNX files, on ONNX Runtime and on OpenCV."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from perkie_cli.bootstrap import Services, build_services
from perkie_cli.config.networks import load_networks
from perkie_cli.config.schema import CacheSettings, GeminiSettings, MattingSettings, Settings
from perkie_cli.domain.cutouts.request import CutoutRequest
from perkie_cli.domain.cutouts.result import Cutout
from perkie_cli.domain.errors import InvalidSetting, MissingWeights, UsageError
from perkie_cli.domain.pictures.request import CacheUse
from perkie_cli.engines.networks import session
from perkie_cli.engines.networks.matte import matte
from perkie_cli.engines.u2net.weights import SHIPPED
from tests.conftest import CAT, Perkie
from tests.pictures import taken

onnx = pytest.importorskip("onnx")
PHOTO = taken(CAT.read_bytes())
ROW = """
[[network]]
id = "mine"
file = "mine.onnx"
licence = "MIT"
side = 64
mean = [0.5, 0.5, 0.5]
deviation = [1.0, 1.0, 1.0]
"""


def bright(path: Path, *, gain: float = 1.0, squeeze: bool = False, half: bool = False) -> None:
    """A network of one layer: how bright a pixel is, times ``gain``; named ``pixels`` → ``alpha``."""
    from onnx import TensorProto, helper

    kind = TensorProto.FLOAT16 if half else TensorProto.FLOAT
    weights = helper.make_tensor("w", kind, [1, 3, 1, 1], [gain / 3] * 3)
    bias = helper.make_tensor("b", kind, [1], [gain / 2])
    nodes = [helper.make_node("Conv", ["pixels", "w", "b"], ["alpha"])]
    result, shape = "alpha", [1, 1, 64, 64]
    if squeeze:
        nodes.append(helper.make_node("Flatten", ["alpha"], ["flat"]))
        result, shape = "flat", [1, 4096]
    graph = helper.make_graph(
        nodes,
        "bright",
        [helper.make_tensor_value_info("pixels", kind, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(result, kind, shape)],
        [weights, bias],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def built(path: Path, nodes: list[tuple[str, list[str], list[str]]], inputs: dict[str, list[int | str] | None]) -> None:
    """A network of these nodes; an input without a shape takes booleans."""
    from onnx import TensorProto, helper

    taken = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT if shape else TensorProto.BOOL, shape or [1, 3, 64, 64])
        for name, shape in inputs.items()
    ]
    kind = TensorProto.FLOAT if all(inputs.values()) else TensorProto.BOOL
    numbers = [helper.make_tensor(name, TensorProto.INT64, [1], [value]) for name, value in (("none", 0), ("rows", 2))]
    graph = helper.make_graph(
        [helper.make_node(*each) for each in nodes],
        "built",
        taken,
        [helper.make_tensor_value_info("alpha", kind, None)],
        numbers,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))


def services_of(folder: Path, rows: str = ROW, home: Path | None = None) -> Services:
    (folder / "models.toml").write_text(rows)
    settings = Settings(
        cache=CacheSettings(dir=folder / "cache"),
        gemini=GeminiSettings(models_file=folder / "models.toml"),
        matting=MattingSettings(models_dir=folder),
    )
    environ = {"HOME": str(folder)} if home is None else {"HOME": str(folder), "U2NET_HOME": str(home)}
    return build_services(settings, environ)


async def cut(services: Services, engine: str = "mine") -> Cutout:
    try:
        return await services.cutouts(CutoutRequest(PHOTO, engine, fallback=False))
    finally:
        await services.aclose()


@pytest.fixture(params=["onnxruntime", "opencv"])
def runtime(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "opencv":
        monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    else:
        pytest.importorskip("onnxruntime")
    return str(request.param)


async def test_a_network_of_one_s_own_is_an_engine(tmp_path: Path, runtime: str) -> None:
    bright(tmp_path / "mine.onnx")
    made = await cut(services_of(tmp_path))
    assert (made.engine, made.model, made.device) == ("mine", "mine", "cpu")
    assert (made.picture.width, made.picture.height) == (451, 300)


def test_both_runtimes_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_networks()["u2net"]
    cat = np.asarray(Image.open(CAT).convert("RGB"))
    first = matte(session.open_network(network, SHIPPED), network, cat)[0]
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    second = matte(session.open_network(network, SHIPPED), network, cat)[0]
    assert np.abs(first.astype(int) - second).max() <= 2


async def test_files_are_found_where_rembg_keeps_them(tmp_path: Path) -> None:
    home = tmp_path / "u2net home"
    home.mkdir()
    (home / "u2net.onnx").write_bytes(SHIPPED.read_bytes())
    made = await cut(services_of(tmp_path, "", home), "u2net")
    assert made.engine == "u2net"


async def test_an_absent_file_says_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match=r"mine\.onnx") as raised:
        await cut(services_of(tmp_path))
    assert str(tmp_path) in str(raised.value.hint)


async def test_a_file_that_is_no_network_is_told(tmp_path: Path, runtime: str) -> None:
    (tmp_path / "mine.onnx").write_bytes(b"GIF89a")
    with pytest.raises(MissingWeights, match=r"mine\.onnx is not an ONNX network") as raised:
        await cut(services_of(tmp_path))
    assert "export" not in str(raised.value.hint)


@pytest.mark.parametrize(
    ("row", "file", "told"),
    [
        (ROW.replace("64", "96"), {}, r"\[1, 3, 64, 64\], not \[1, 3, 96, 96\]"),
        (ROW + 'output = "matte"\n', {}, "'matte' is not in mine.onnx; there is alpha"),
        (ROW, {"squeeze": True}, r"'flat' is \[1, 4096\], not"),
        (ROW, {"gain": 9.0}, "'alpha' holds .* not 0 to 1"),
    ],
)
async def test_a_row_that_does_not_fit_names_tensor_and_shape(tmp_path: Path, row: Any, file: Any, told: str) -> None:
    pytest.importorskip("onnxruntime")
    bright(tmp_path / "mine.onnx", **file)
    with pytest.raises(InvalidSetting, match=told):
        await cut(services_of(tmp_path, row))


async def test_opencv_too_tells_of_a_row_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as if it were not installed
    bright(tmp_path / "mine.onnx", squeeze=True)
    with pytest.raises(InvalidSetting, match="flat"):
        await cut(services_of(tmp_path))


async def test_logits_pass_a_sigmoid(tmp_path: Path) -> None:
    bright(tmp_path / "mine.onnx", gain=9.0)
    assert (await cut(services_of(tmp_path, ROW + "logits = true\n"))).engine == "mine"


async def test_another_file_is_another_recipe(tmp_path: Path) -> None:
    services = services_of(tmp_path)
    recipes = []
    for gain, squeeze in ((1.0, False), (1.0, True)):
        bright(tmp_path / "mine.onnx", gain=gain, squeeze=squeeze)
        recipes.append(services.cutouts.recipe("mine").fingerprint)
    assert recipes[0] != recipes[1]
    await services.aclose()


async def test_a_network_that_was_trained_on_is_used_at_once(tmp_path: Path) -> None:
    services = services_of(tmp_path)
    file, made, sizes = tmp_path / "mine.onnx", [], set()
    for gain in (1.0, 0.5):
        bright(file, gain=gain)
        os.utime(file, (gain + 2, gain + 2))
        sizes.add(file.stat().st_size)
        made.append(await services.cutouts(CutoutRequest(PHOTO, "mine", fallback=False)))
    await services.aclose()
    assert len(sizes) == 1
    assert made[0].confidence != made[1].confidence


async def test_a_loaded_network_outlives_its_file(tmp_path: Path) -> None:
    services = services_of(tmp_path)
    bright(tmp_path / "mine.onnx")
    confidences = set()
    for _ in range(2):
        made = await services.cutouts(CutoutRequest(PHOTO, "mine", fallback=False, cache=CacheUse.OFF))
        confidences.add(made.confidence)
        (tmp_path / "mine.onnx").unlink(missing_ok=True)
    await services.aclose()
    assert len(confidences) == 1


async def test_copies_of_one_network_share_what_is_kept(tmp_path: Path) -> None:
    """Each server wrote its copy at another time."""
    recipes = set()
    for written in (1, 2):
        home = tmp_path / str(written)
        home.mkdir()
        bright(home / "mine.onnx")
        os.utime(home / "mine.onnx", (written, written))
        services = services_of(home)
        recipes.add(services.cutouts.recipe("mine").fingerprint)
        await services.aclose()
    assert len(recipes) == 1


async def test_a_network_in_half_precision_is_given_what_it_takes(tmp_path: Path, runtime: str) -> None:
    confidences = []
    for half in (False, True):
        bright(tmp_path / "mine.onnx", half=half)
        confidences.append((await cut(services_of(tmp_path))).confidence)
    assert confidences[0] == pytest.approx(confidences[1], abs=0.01)


@pytest.mark.parametrize(
    ("nodes", "inputs", "told"),
    [
        ([("Add", ["pixels", "size"], ["alpha"])], {"pixels": [1, 3, 64, 64], "size": [1]}, "has pixels, size"),
        ([("Not", ["flags"], ["alpha"])], {"flags": None}, r"'flags' of mine\.onnx takes tensor\(bool\), not float"),
        (
            [("Shape", ["pixels"], ["s"]), ("Expand", ["pixels", "s"], ["a"]), ("Reshape", ["a", "s"], ["b"]),
             ("Slice", ["b", "none", "none", "rows"], ["alpha"])],
            {"pixels": [1, 3, 64, 64]},
            r"'alpha' is \[1, 3, 0, 64\], not",
        ),
        ([("Reshape", ["pixels", "rows"], ["alpha"])], {"pixels": ["n", 3, "h", "w"]}, "'alpha' is not available"),
    ],
)  # fmt: skip
async def test_a_file_of_another_kind_is_told_and_no_bug(tmp_path: Path, nodes: Any, inputs: Any, told: str) -> None:
    pytest.importorskip("onnxruntime")
    built(tmp_path / "mine.onnx", nodes, inputs)
    with pytest.raises(InvalidSetting, match=told):
        await cut(services_of(tmp_path))


@pytest.mark.parametrize(
    "wrong",
    [
        ROW.replace('"mine"', '"builtin"'),
        ROW.replace('"mine"', '"../mine"'),
        ROW.replace('"mine.onnx"', '"/etc/passwd"'),
        ROW.replace("64", '"64"'),
        ROW.replace("[1.0, 1.0, 1.0]", "[1.0, 0.0, 1.0]"),
        ROW.replace("licence", "license"),
        ROW + 'logits = "yes"\n',
    ],
)
def test_a_wrong_row_is_told_with_its_file(tmp_path: Path, wrong: str) -> None:
    path = tmp_path / "models.toml"
    path.write_text(wrong)
    with pytest.raises(InvalidSetting, match=r"models\.toml"):
        load_networks(path)


async def test_closing_the_services_lets_go_of_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[weakref.ref[session.NetworkSession]] = []

    def opens(*args: Any) -> session.NetworkSession:
        made = open_network(*args)
        opened.append(weakref.ref(made))
        return made

    open_network = session.open_network
    monkeypatch.setattr(session, "open_network", opens)
    bright(tmp_path / "mine.onnx")
    services = services_of(tmp_path)
    await services.cutouts(CutoutRequest(PHOTO, "mine", fallback=False))
    gc.collect()
    assert [each() is not None for each in opened] == [True]
    await services.aclose()
    gc.collect()
    assert [each() for each in opened] == [None]


def test_an_unknown_engine_lists_the_known_and_names_the_nearest(tmp_path: Path) -> None:
    for wanted, near in (("nosuch", ""), ("mime", "Did you mean 'mine'?"), ("buildin", "Did you mean 'builtin'?")):
        with pytest.raises(UsageError) as raised:
            services_of(tmp_path).cutouts.recipe(wanted)
        assert "mine" in str(raised.value.hint)
        assert str(raised.value.hint).startswith(near or "There is ")


def test_the_file_of_the_image_models_may_hold_both(tmp_path: Path) -> None:
    services = services_of(tmp_path)
    assert {"mine", "u2net", "isnet-general-use"} <= set(services.networks)
    assert services.models.find("gemini-3-pro-image")


def test_models_list_shows_them(perkie_here: Perkie) -> None:
    shown = perkie_here("models", "list").stdout
    assert "isnet-general-use" in shown
    assert "u2net.onnx is missing" in shown
