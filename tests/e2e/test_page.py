"""The demo page in real Chromium, against a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chromium import CHROMIUM, page_at
from tests.conftest import CAT
from tests.serving import perkie_serve

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not on this machine")

FILLED = "document.querySelectorAll('#gallery .filled').length"
LOADED = "[...document.querySelectorAll('#gallery .filled img')].filter(image => image.naturalWidth >= 256).length"


def test_a_photo_becomes_a_cut_out_and_three_portraits(tmp_path: Path) -> None:
    with (
        perkie_serve(tmp_path, env={"PERKIE_MATTING_ENGINE": "builtin"}) as server,
        page_at(server.url) as page,
    ):
        page.wait_for("document.querySelector('#quota') && document.querySelector('#quota').textContent != ''")
        page.choose_file("#file", CAT)
        page.wait_for("document.querySelector('#message').textContent == 'Done.'")
        assert page.value(FILLED) == 4
        page.wait_for(f"{LOADED} == 4")
        assert page.value("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"
        assert page.errors == []


def test_a_file_that_is_no_picture_and_a_server_that_is_gone_are_told(tmp_path: Path) -> None:
    note = tmp_path / "note.jpg"
    note.write_text("just text")
    with perkie_serve(tmp_path) as server, page_at(server.url) as page:
        page.wait_for("document.querySelector('#quota') && document.querySelector('#quota').textContent != ''")
        page.choose_file("#file", note)
        page.wait_for("document.querySelector('#message').classList.contains('bad')")
        told = page.value("document.querySelector('#message').textContent")
        assert told.startswith("note.jpg is not an image that perkie knows. JPEG")
        server.stop()
        page.choose_file("#file", CAT)
        page.wait_for("document.querySelector('#message').textContent == 'The server cannot be reached.'")
        assert page.value("document.querySelector('#file').value") == "", "the same photo can be chosen again"
