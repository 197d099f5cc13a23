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


READY = "document.querySelector('#quota') && document.querySelector('#quota').textContent != ''"
DONE = "document.querySelector('#message').textContent == 'Done.'"
OFFERED = "[...document.querySelectorAll('.ask-for')].filter(button => !button.hidden).length"
LINKS = (
    "[...document.querySelectorAll('.download')].filter(link => !link.hidden).map(link => link.download).sort().join()"
)
FETCH_ALL = """
Promise.all([...document.querySelectorAll('.download')].filter(link => !link.hidden).map(link => fetch(link.href)))
  .then(answers => { window.fetched = answers.map(answer => answer.headers.get('content-type')).sort().join() })
"""


def test_a_photo_becomes_a_cut_out_and_the_popular_portraits(tmp_path: Path) -> None:
    with (
        perkie_serve(tmp_path, env={"PERKIE_MATTING_ENGINE": "builtin"}) as server,
        page_at(server.url) as page,
    ):
        page.wait_for(READY)
        assert page.value(OFFERED) == 0
        page.choose_file("#file", CAT)
        page.wait_for(DONE)
        assert page.value(FILLED) == 3, "the style that is not popular waits: it costs a picture of the day"
        assert page.value(OFFERED) == 1
        page.value("document.querySelector('#message').textContent = ''")
        page.value("[...document.querySelectorAll('.ask-for')].find(button => !button.hidden).click()")
        page.wait_for(DONE)
        page.wait_for(f"{LOADED} == 4")
        assert page.value(OFFERED) == 0
        assert page.value("document.documentElement.scrollWidth <= innerWidth"), "no sideways scrolling"

        page.value(FETCH_ALL)
        page.wait_for("window.fetched == 'image/jpeg,image/jpeg,image/jpeg,image/png'")
        names = ("bw_fine_art.jpg", "cutout.png", "ink_wash.jpg", "van_gogh_post_impressionism.jpg")
        assert page.value(LINKS) == ",".join(f"perkie-{name}" for name in names)

        page.ask("Page.reload")
        page.wait_for(READY)
        page.wait_for(f"{LOADED} == 4")
        page.wait_for("!document.querySelector('#photo').hidden && document.querySelector('#photo').naturalWidth > 0")
        assert page.value(LINKS) == ",".join(f"perkie-{name}" for name in names)
        assert page.errors == []


def test_pictures_whose_links_ended_are_not_shown_after_a_reload(tmp_path: Path) -> None:
    env = {"PERKIE_MATTING_ENGINE": "builtin"}
    with perkie_serve(tmp_path, env=env) as server, page_at(server.url) as page:
        page.wait_for(READY)
        page.choose_file("#file", CAT)
        page.wait_for(DONE)
        kept = "localStorage.getItem('perkie-last')"
        page.value(f"localStorage.setItem('perkie-last', {kept}.replaceAll(/images\\/[^\"]*/g, 'images/gone'))")
        page.ask("Page.reload")
        page.wait_for(READY)
        page.wait_for(f"{FILLED} == 0 && {OFFERED} == 3")
        assert page.value(LINKS) == ""
        page.value("document.querySelector('.ask-for:not([hidden])').click()")
        page.wait_for(f"{LOADED} == 1")
        assert page.errors == []


def test_a_file_that_is_no_picture_and_a_server_that_is_gone_are_told(tmp_path: Path) -> None:
    note = tmp_path / "note.jpg"
    note.write_text("just text")
    with perkie_serve(tmp_path) as server, page_at(server.url) as page:
        page.wait_for(READY)
        page.choose_file("#file", note)
        page.wait_for("document.querySelector('#message').classList.contains('bad')")
        told = page.value("document.querySelector('#message').textContent")
        assert told.startswith("note.jpg is not an image that perkie knows. JPEG")
        server.stop()
        page.choose_file("#file", CAT)
        page.wait_for("document.querySelector('#message').textContent == 'The server cannot be reached.'")
        assert page.value("document.querySelector('#file').value") == "", "the same photo can be chosen again"
