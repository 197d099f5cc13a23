"""The widget's files: addresses, headers, size, words."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from perkie_cli.config.schema import HttpSettings
from perkie_cli.http import static_files
from tests.http_server import Running, running, secured

WIDGET = static_files.folder("widget")
VERSION = static_files.version("widget")
LANGUAGES = ("de", "en", "es", "fr")
SHOP = {"Origin": "https://shop.example"}
# What is imported when the widget is near or touched; work.js and what it imports come when the page is quiet.
FIRST = ("portrait.js", "view.js", "style.js", "service.js", "memory.js", "words.js")


@pytest.fixture
async def server(home: Path) -> AsyncIterator[Running]:
    async with running(secured(home)) as made:
        yield made


async def test_a_versioned_address_is_immutable_and_open_to_every_page(server: Running) -> None:
    for name in WIDGET:
        answer = await server.client.get(f"/widget/{VERSION}/{name}", headers=SHOP)
        assert answer.status_code == 200
        assert answer.content == WIDGET[name].data
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["content-type"].startswith(
            "text/javascript" if name.endswith(".js") else "application/json"
        )


async def test_the_plain_address_and_another_version_lead_to_the_version_of_now(server: Running) -> None:
    here = str(server.client.base_url)
    for path, cached in {
        "widget/loader.js": "public, max-age=300",
        "widget/i18n/de.json": "public, max-age=300",
        "widget/000000000000/loader.js": "no-store",
        "widget/000000000000/i18n/de.json": "no-store",
    }.items():
        answer = await server.client.get(f"/{path}", headers=SHOP)
        name = path.removeprefix("widget/").removeprefix("000000000000/")
        assert (answer.status_code, answer.headers["cache-control"]) == (307, cached)
        assert answer.headers["access-control-allow-origin"] == "*"
        assert str(httpx.URL(f"{here}/{path}").join(answer.headers["location"])) == f"{here}/widget/{VERSION}/{name}"


@pytest.mark.parametrize(
    "path", ["nothing.js", "../app.py", "%2e%2e/app.py", f"{VERSION}/../../app.py", f"{VERSION}/x"]
)
async def test_what_is_no_file_of_the_widget_is_not_found(server: Running, path: str) -> None:
    assert (await server.client.get(f"/widget/{path}")).status_code == 404


async def test_files_are_packed_for_those_who_can_unpack_and_not_sent_twice(server: Running) -> None:
    path = f"/widget/{VERSION}/portrait.js"
    plain = await server.client.get(path, headers={"Accept-Encoding": "identity"})
    packed = await server.client.get(path, headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.headers["vary"].startswith("Accept-Encoding")
    refused = await server.client.get(path, headers={"Accept-Encoding": "br, gzip;q=0"})
    assert "content-encoding" not in refused.headers
    again = await server.client.get(path, headers={"If-None-Match": f"W/{plain.headers['etag']}"})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_widget_is_told_what_is_offered_and_accepted(server: Running, home: Path) -> None:
    answer = await server.client.get("/api/v1/widget", headers={"Origin": "https://x.myshopify.com"})
    told = answer.json()
    assert answer.headers["access-control-allow-origin"] == "https://x.myshopify.com"
    assert answer.headers["cache-control"] == "public, max-age=60"
    assert (told["enabled"], told["version"], told["min_side"], told["max_bytes"]) == (True, VERSION, 256, 20 * 2**20)
    assert [style["id"] for style in told["styles"] if style["popular"]] == ["ink_wash", "van_gogh_post_impressionism"]


async def test_the_switch_hides_it() -> None:
    async with running(replace(HttpSettings(), widget=False)) as server:
        assert (await server.client.get("/api/v1/widget")).json()["enabled"] is False


def test_the_loader_is_small_and_so_is_what_it_imports() -> None:
    assert len(WIDGET["loader.js"].data) <= 10_000
    sizes = {name: len(gzip.compress(WIDGET[name].data, 9)) for name in FIRST}
    assert sum(sizes.values()) <= 12_000, sizes


def test_first_are_the_modules_that_the_component_imports() -> None:
    found, waiting = set[str](), ["portrait.js"]
    while waiting:
        found.add(name := waiting.pop())
        imported = re.findall(r'^import .* from "\./(.*)";$', WIDGET[name].data.decode(), flags=re.M)
        waiting += [each for each in imported if each not in found]
    assert found == set(FIRST)


def test_the_page_preloads_what_is_imported_first() -> None:
    page = static_files.find("page", "index.html").data.decode()
    assert sorted(re.findall(r'modulepreload" href="widget/{version}/(\w+\.js)"', page)) == sorted(FIRST)


def test_every_language_has_every_word_with_the_same_values() -> None:
    assert {name for name in WIDGET if name.startswith("i18n/")} == {f"i18n/{each}.json" for each in LANGUAGES}
    english: dict[str, str] = json.loads(WIDGET["i18n/en.json"].data)
    for language in LANGUAGES:
        words: dict[str, str] = json.loads(WIDGET[f"i18n/{language}.json"].data)
        assert words.keys() == english.keys()
        assert all(text.strip() for text in words.values())
        for name, text in words.items():
            assert set(re.findall(r"{\w+}", text)) == set(re.findall(r"{\w+}", english[name])), (language, name)


def test_every_word_that_the_scripts_name_is_there_and_no_other() -> None:
    scripts = "".join(file.data.decode() for name, file in WIDGET.items() if name.endswith(".js"))
    english: dict[str, str] = json.loads(WIDGET["i18n/en.json"].data)
    quoted = set(re.findall(r'"(\w+)"', scripts))
    by_rule = {name for name in english if name.startswith(("problem_", "quota_"))}
    assert english.keys() - by_rule - quoted == set()
    named = set(re.findall(r'(?:words|say)\("(\w+)"', scripts)) | set(re.findall(r' button\("(\w+)"', scripts))
    assert named - english.keys() == set()
