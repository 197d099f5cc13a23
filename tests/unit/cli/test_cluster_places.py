"""What a run takes of a cluster with these processors and GPUs. ``test_ray`` asks a real one."""

from __future__ import annotations

import pytest

from perkie_cli.batch.machines.places import GpuUse, Places, Used, Wanted
from perkie_cli.bootstrap import build_services
from perkie_cli.cli.batch.cluster import gpu_use
from perkie_cli.config.schema import MattingSettings, Settings
from perkie_cli.domain.errors import MissingDevice, UsageError

PROCESSORS, ONE_GPU = {"CPU": 3.0}, {"CPU": 3.0, "GPU": 1.0}
NEVER, THERE, ALWAYS = GpuUse.NEVER, GpuUse.WHERE_THERE, GpuUse.ALWAYS


@pytest.mark.parametrize(
    ("cluster", "wanted", "places"),
    [
        (PROCESSORS, Wanted(None), Places(3, 1, 0)),
        (PROCESSORS, Wanted(64), Places(64, 0.046, 0)),
        (PROCESSORS, Wanted(2, THERE), Places(2, 1, 0)),
        (ONE_GPU, Wanted(None), Places(3, 1, 0)),
        (ONE_GPU, Wanted(None, THERE), Places(1, 0, 1)),
        (ONE_GPU, Wanted(None, THERE, 0.5), Places(2, 0, 0.5)),
        (ONE_GPU, Wanted(None, ALWAYS, 0.1), Places(10, 0, 0.1)),
        (ONE_GPU, Wanted(8, THERE, 0.4), Places(2, 0, 0.4)),
        ({"CPU": 32.0, "GPU": 4.0}, Wanted(3, THERE), Places(3, 0, 1)),
        ({"CPU": 32.0, "GPU": 4.0}, Wanted(None, THERE, 0.6), Places(4, 0, 0.6)),
        ({}, Wanted(None), Places(1, 0, 0)),
    ],
    ids=lambda each: repr(each) if isinstance(each, Wanted) else None,
)
def test_actors_share_what_there_is(cluster: dict[str, float], wanted: Wanted, places: Places) -> None:
    assert Places.of(cluster, wanted) == places


def test_a_gpu_that_must_be_there_and_is_not() -> None:
    with pytest.raises(MissingDevice, match="no node of the Ray cluster has a GPU"):
        Places.of(PROCESSORS, Wanted(None, ALWAYS))


def test_a_run_tells_what_made_its_outputs() -> None:
    used = Used(Places(2, 0, 0.5), {"cuda:0"})
    assert str(used) == "by 2 actors of the Ray cluster with 0.5 of a GPU each, on cuda:0"
    assert used.summary == {"actors": 2, "cpus_each": 0, "gpus_each": 0.5, "devices": ["cuda:0"]}
    assert str(Used(Places(1, 1, 0))) == "by 1 actor of the Ray cluster with a processor"


@pytest.mark.parametrize(
    ("use", "engine", "device", "backend", "cuts_out"),
    [
        (THERE, "inspyrenet", "auto", "auto", True),
        (ALWAYS, "inspyrenet", "cuda", "torch", True),
        (NEVER, "inspyrenet", "cpu", "auto", True),
        (NEVER, "inspyrenet", "auto", "onnx", True),
        (NEVER, "builtin", "cuda", "auto", True),
        (NEVER, "u2net", "auto", "auto", True),
        (NEVER, "inspyrenet", "auto", "auto", False),
    ],
)
def test_only_a_network_that_runs_on_a_gpu_asks_for_one(
    use: GpuUse, engine: str, device: str, backend: str, cuts_out: bool
) -> None:
    matting = MattingSettings(engine=engine, device=device, backend=backend)  # type: ignore[arg-type]
    assert gpu_use(build_services(Settings(matting=matting)), cuts_out=cuts_out) is use


def test_a_gpu_of_one_machine_is_none_of_a_cluster() -> None:
    matting = MattingSettings(engine="inspyrenet", device="cuda:1")
    with pytest.raises(UsageError, match="--device cuda:1 is a GPU of one machine"):
        gpu_use(build_services(Settings(matting=matting)), cuts_out=True)
