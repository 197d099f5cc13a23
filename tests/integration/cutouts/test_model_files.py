"""Pulling weights from a server that truncates, corrupts, resumes and disappears."""

from __future__ import annotations

import fcntl
import hashlib
import random
from pathlib import Path

import pytest

from perkie_cli.domain.cutouts.checkpoint import Checkpoint
from perkie_cli.domain.errors import AtCapacity, MissingWeights, UpstreamFault, UpstreamRefused
from perkie_cli.services.cutouts.weights import ModelFiles, WeightSources, WeightState
from perkie_cli.stores.disk.models import DiskModels
from perkie_cli.stores.downloads import HttpDownloads
from perkie_cli.system.threads import thread_workers
from tests.scripted_server import answers, hangs_up, scripted, serves

DATA = random.Random(7).randbytes(3_000_000)
FILE = Checkpoint("fast", "ckpt_fast.pth", hashlib.md5(DATA).hexdigest(), 384)


class Seen:
    def __init__(self) -> None:
        self.steps: list[tuple[int, int | None]] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.steps.append((done, total))


def files_of(folder: Path, *urls: str, offline: bool = False) -> ModelFiles:
    sources, workers = WeightSources(urls, offline), thread_workers(1)
    return ModelFiles(DiskModels([folder]), sources, HttpDownloads(), workers, Path.read_text)


def nothing_but(folder: Path, *names: str) -> bool:
    return sorted(each.name for each in folder.iterdir()) == sorted(names)


async def test_a_file_is_pulled_checked_and_placed(tmp_path: Path) -> None:
    seen = Seen()
    with scripted(serves(DATA)) as server:
        files = files_of(tmp_path / "models", server.url + "/release/")
        path = await files.pull(FILE, seen)
    assert server.requests[0][0] == "/release/ckpt_fast.pth"
    assert path.read_bytes() == DATA
    assert nothing_but(tmp_path / "models", "ckpt_fast.pth")
    assert seen.steps[0] == (0, len(DATA))
    assert seen.steps[-1] == (len(DATA), len(DATA))
    assert (await files.verify(FILE)).state is WeightState.GOOD


async def test_a_broken_connection_is_resumed(tmp_path: Path) -> None:
    with scripted(serves(DATA, at_most=1_000_000), hangs_up, serves(DATA)) as server:
        path = await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert path.read_bytes() == DATA
    assert server.requests[2][1]["range"] == "bytes=1000000-"


async def test_a_server_that_disappears_leaves_a_part_for_the_next_run(tmp_path: Path) -> None:
    with (
        scripted(serves(DATA, at_most=500_000), serves(DATA, at_most=500_000), hangs_up) as server,
        pytest.raises(UpstreamFault, match=r"broke off after 976\.6 KiB") as caught,
    ):
        await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert "resumes from there" in str(caught.value.hint)
    assert nothing_but(tmp_path, "ckpt_fast.pth.part")
    with scripted(serves(DATA)) as server:
        path = await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert server.requests[0][1]["range"] == "bytes=1000000-"
    assert path.read_bytes() == DATA


async def test_a_server_that_cannot_resume_starts_over(tmp_path: Path) -> None:
    (tmp_path / "ckpt_fast.pth.part").write_bytes(DATA[:100_000])
    with scripted(serves(DATA, resumes=False)) as server:
        path = await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert path.read_bytes() == DATA


async def test_a_whole_part_is_only_checked(tmp_path: Path) -> None:
    (tmp_path / "ckpt_fast.pth.part").write_bytes(DATA)
    with scripted(serves(DATA)) as server:
        path = await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("old", [b"\0" * 1_000_000, b"\0" * 5_000_000], ids=["another beginning", "too long"])
async def test_a_part_of_another_file_costs_one_more_download(tmp_path: Path, old: bytes) -> None:
    (tmp_path / "ckpt_fast.pth.part").write_bytes(old)
    with scripted(serves(DATA)) as server:
        path = await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert path.read_bytes() == DATA


@pytest.mark.parametrize("wrong", [DATA[:-1] + b"!", b"<html>log in to this network</html>", b""])
async def test_a_wrong_file_is_never_placed(tmp_path: Path, wrong: bytes) -> None:
    with scripted(serves(wrong)) as server, pytest.raises(MissingWeights, match="checksum is wrong"):
        await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert nothing_but(tmp_path)


async def test_an_old_good_file_stays_when_a_forced_pull_fails(tmp_path: Path) -> None:
    (tmp_path / "ckpt_fast.pth").write_bytes(DATA)
    with scripted(serves(b"other")) as server, pytest.raises(MissingWeights):
        await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert (tmp_path / "ckpt_fast.pth").read_bytes() == DATA


async def test_the_mirror_comes_first_and_the_release_after_it(tmp_path: Path) -> None:
    with scripted(answers(404)) as mirror, scripted(serves(DATA)) as release:
        path = await files_of(tmp_path, mirror.url, release.url).pull(FILE, Seen())
    assert path.read_bytes() == DATA
    assert len(mirror.requests) == 1


async def test_nobody_has_it(tmp_path: Path) -> None:
    with scripted(answers(404)) as server, pytest.raises(UpstreamRefused, match="answered 404") as caught:
        await files_of(tmp_path, server.url).pull(FILE, Seen())
    assert "mirror_url" in str(caught.value.hint)


async def test_redirects_are_followed(tmp_path: Path) -> None:
    with scripted(serves(DATA)) as there, scripted(answers(302, location=f"{there.url}/x")) as server:
        assert (await files_of(tmp_path, server.url).pull(FILE, Seen())).read_bytes() == DATA


async def test_offline_asks_nobody(tmp_path: Path) -> None:
    with scripted(serves(DATA)) as server, pytest.raises(MissingWeights, match="PERKIE_OFFLINE"):
        await files_of(tmp_path, server.url, offline=True).pull(FILE, Seen())
    assert server.requests == []


async def test_two_processes_do_not_write_one_part(tmp_path: Path) -> None:
    with (tmp_path / "ckpt_fast.pth.part").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with scripted(serves(DATA)) as server, pytest.raises(AtCapacity, match="another perkie"):
            await files_of(tmp_path, server.url).pull(FILE, Seen())


async def test_the_proxy_of_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted(serves(DATA)) as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        path = await files_of(tmp_path, "http://weights.invalid/release").pull(FILE, Seen())
    assert path.read_bytes() == DATA
    assert proxy.requests[0][0] == "http://weights.invalid/release/ckpt_fast.pth"


async def test_verify_tells_a_damaged_file(tmp_path: Path) -> None:
    files = files_of(tmp_path, "http://nowhere.invalid")
    assert (await files.verify(FILE)).state is WeightState.ABSENT
    (tmp_path / "ckpt_fast.pth").write_bytes(DATA[:-5])
    assert files.look(FILE).state is WeightState.PRESENT
    assert (await files.verify(FILE)).state is WeightState.WRONG


@pytest.mark.parametrize("with_checkpoint", [True, False])
async def test_verify_tells_an_export_of_another_checkpoint(tmp_path: Path, with_checkpoint: bool) -> None:
    files, export = files_of(tmp_path, "http://nowhere.invalid"), tmp_path / FILE.onnx_file
    if with_checkpoint:
        (tmp_path / "ckpt_fast.pth").write_bytes(DATA)
    export.write_text(str(FILE.md5))  # files_of reads an export's origin from it
    assert (await files.verify(FILE)).state is WeightState.GOOD
    export.write_text("another")
    assert (await files.verify(FILE)).wrong == (export,)
