"""The public functions: as README shows them."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import perkie_cli
from perkie_cli.domain.errors import InvalidParameter, NotAnImage, UnknownStyle, UnreadableFile
from perkie_cli.domain.pictures.request import GenerateRequest
from perkie_cli.domain.pictures.result import CacheOutcome, PictureFacts
from perkie_cli.imaging import codec
from tests.conftest import CAT, ROOT


def test_readme_shows_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert code is not None
    (tmp_path / "pet.jpg").write_bytes(CAT.read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PERKIE_MATTING_ENGINE", "builtin")  # the same on machines with and without the extra
    exec(compile(code[1], "README.md", "exec"), {})
    assert (tmp_path / "portrait.jpg").read_bytes()[:3] == b"\xff\xd8\xff"
    assert (tmp_path / "cutout.png").read_bytes()[:4] == b"\x89PNG"


def test_a_second_drawing_comes_from_the_cache(tmp_path: Path) -> None:
    settings = {"cache.dir": str(tmp_path / "cache")}
    first = perkie_cli.stylize(CAT.read_bytes(), "modern", size=256, settings=settings)
    again = perkie_cli.stylize(str(CAT), "ink_wash", size=256, settings=settings)
    assert isinstance(first.facts, PictureFacts)
    assert (first.facts.cache, again.facts.cache) == (CacheOutcome.MISS, CacheOutcome.HIT)
    assert first.data == again.data
    assert again.save(tmp_path / "again.webp").read_bytes()[8:12] == b"WEBP"


def test_what_is_wrong_is_an_error_of_the_tree(tmp_path: Path) -> None:
    with pytest.raises(NotAnImage):
        perkie_cli.stylize(b"no picture", "ink_wash")
    with pytest.raises(UnreadableFile):
        perkie_cli.stylize(tmp_path / "absent.jpg", "ink_wash")
    with pytest.raises(UnknownStyle):
        perkie_cli.stylize(CAT, "cubism")
    with pytest.raises(InvalidParameter, match="no format"):
        perkie_cli.stylize(CAT, "bw_fine_art", size=256).save(tmp_path / "cat.gif")
    assert list(tmp_path.iterdir()) == []


async def test_a_program_with_an_event_loop_opens_the_services(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="running event loop"):
        perkie_cli.stylize(CAT, "ink_wash")
    async with perkie_cli.open_services({"cache.dir": str(tmp_path), "style.size": 256}) as services:
        photo = codec.photo(CAT.read_bytes(), services.limits)
        made = await services.generate(GenerateRequest(photo, "ink_wash"))
    assert max(made.master.width, made.master.height) == 256


def test_importing_the_package_costs_nothing() -> None:
    check = "import perkie_cli, sys; sys.exit(bool({'asyncio', 'numpy', 'typer'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
    assert {"stylize", "remove_background", "open_services"} <= set(perkie_cli.__all__)
    with pytest.raises(AttributeError):
        _ = perkie_cli.no_such_thing
