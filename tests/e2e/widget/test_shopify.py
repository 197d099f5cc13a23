"""The block for Shopify's themes: Shopify's own checker, rendering as a theme does, and the whole way in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.async_api import Browser, Route, expect

from perkie_cli.auth import shopify
from tests.browser import needs_chromium, upload, visiting
from tests.conftest import ROOT
from tests.http_server import PROXY_SECRET, running, secured
from tests.node_clients import WIDGET_TOOLS, node_folder
from tests.pictures import file_of, photo

EXTENSION = ROOT / "examples" / "shopify" / "extensions" / "perkie-portrait"
BLOCK = EXTENSION / "blocks" / "portrait.liquid"
LANGUAGES = {"en": "en.default", "de": "de", "fr": "fr", "es": "es"}
# https://shopify.dev/docs/storefronts/themes/architecture/settings/input-settings, as far as they are used here
TYPES = {"text": {"default"}, "select": {"options", "default"}, "color": {"default"}}
TYPES["range"] = {"min", "max", "step", "unit", "default"}
SETTINGS = {
    "service": "https://portraits.example",
    "proxy": "/apps/perkie",
    "heading": "",
    "styles": "",
    "form": "",
    "consent": "given",
    "accent": "#8c4219",
    "radius": 14,
}


@pytest.fixture(scope="module")
def tools() -> Path:
    folder = node_folder(WIDGET_TOOLS)
    if isinstance(folder, str):
        pytest.skip(folder)
    return folder


def run(tools: Path, script: str, *args: Path, stdin: str = "") -> str:
    done = subprocess.run(
        ["node", script, *map(str, args)],
        cwd=tools,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(tools: Path, language: str = "en", editor: bool = False, **settings: object) -> str:
    context = {
        "block": {"shopify_attributes": 'data-shopify-editor-block="1"', "settings": {**SETTINGS, **settings}},
        "section": {"id": "main"},
        "request": {"locale": {"iso_code": language}, "design_mode": editor},
    }
    locale = EXTENSION / "locales" / f"{LANGUAGES[language]}.json"
    return run(tools, "render_block.mjs", BLOCK, locale, stdin=json.dumps(context))


def schema() -> dict[str, Any]:
    (text,) = re.findall(r"{% schema %}(.*){% endschema %}", BLOCK.read_text("utf-8"), flags=re.S)
    found: dict[str, Any] = json.loads(text)
    return found


def test_theme_check_finds_nothing_and_would_find_something(tools: Path, tmp_path: Path) -> None:
    assert json.loads(run(tools, "check_theme.mjs", EXTENSION)) == []
    broken = shutil.copytree(EXTENSION, tmp_path / "broken")
    (broken / "locales" / "de.json").write_text("{}")
    (broken / "assets" / "perkie-loader.js").write_text("x" * 10_001)
    found = {name for name, _, _ in json.loads(run(tools, "check_theme.mjs", broken))}
    assert found == {"MatchingTranslations", "AssetSizeAppBlockJavaScript"}


def test_the_loader_is_perkies_own() -> None:
    ours = ROOT / "perkie_cli" / "http" / "static" / "widget" / "loader.js"
    assert (EXTENSION / "assets" / "perkie-loader.js").read_bytes() == ours.read_bytes(), f"cp {ours} to assets/"


def test_the_schema_is_as_shopify_wants_it() -> None:
    """What Theme Check does not look at."""
    found = schema()
    words = json.loads((EXTENSION / "locales" / "en.default.schema.json").read_text("utf-8"))
    assert found["target"] in ("section", "head", "body")
    assert set(found) <= {"name", "target", "javascript", "stylesheet", "enabled_on", "settings"}
    assert (EXTENSION / "assets" / found["javascript"]).exists()
    assert len(words["name"]) <= 25
    ids = [setting["id"] for setting in found["settings"]]
    assert sorted(ids) == sorted(SETTINGS)
    for setting in found["settings"]:
        assert set(setting) - {"type", "id", "label", "info"} <= TYPES[setting["type"]], setting["id"]
        labels = [setting["label"], setting.get("info"), *(option["label"] for option in setting.get("options", []))]
        for label in filter(None, labels):
            place: Any = words
            for part in label.removeprefix("t:").split("."):
                place = place[part]
            assert isinstance(place, str)
        if "options" in setting:
            assert setting["default"] in [option["value"] for option in setting["options"]]
    used = set(re.findall(r"block\.settings\.(\w+)", BLOCK.read_text("utf-8")))
    assert used == set(ids)


def test_every_language_has_all_words_and_fits() -> None:
    for kind in ("json", "schema.json"):
        files = [EXTENSION / "locales" / f"{name}.{kind}" for name in LANGUAGES.values()]
        keys = [sorted(_paths(json.loads(file.read_text("utf-8")))) for file in files]
        assert all(each == keys[0] for each in keys)
        assert all(file.stat().st_size <= 15_000 for file in files)


def _paths(words: dict[str, Any], prefix: str = "") -> list[str]:
    return [
        path
        for name, value in words.items()
        for path in (_paths(value, f"{prefix}{name}.") if isinstance(value, dict) else [f"{prefix}{name}"])
    ]


def test_it_renders_in_every_language_and_escapes_what_merchants_type(tools: Path) -> None:
    for language in LANGUAGES:
        html = render(
            tools, language, heading="Cats & <dogs>", service='https://x.example"><script>', styles="ink_wash"
        )
        assert f'lang="{language}"' in html
        assert "<h2>Cats &amp; &lt;dogs&gt;</h2>" in html
        assert "<script>" not in html
        assert re.search(r'"given"\s+styles="ink_wash"\s+style="', html), "attributes stand apart"
        assert 'form="product-form-main"' in html
        assert 'data-shopify-editor-block="1"' in html
    assert 'form="mine"' in render(tools, form="mine")


def test_a_block_without_a_service_says_so_in_the_editor_only(tools: Path) -> None:
    assert "Enter the address" in render(tools, service="", editor=True)
    assert "<p>" not in render(tools, service="")
    assert "perkie-portrait" not in render(tools, service="")


@needs_chromium
@pytest.mark.asyncio(loop_scope="module")
async def test_a_customer_of_a_shop_puts_a_portrait_into_the_cart(browser: Browser, tools: Path, home: Path) -> None:
    loader = (EXTENSION / "assets" / "perkie-loader.js").read_text("utf-8")
    async with running(secured(home)) as server, visiting(browser) as visit:
        block = render(tools, service=f"{server.url}/")
        page = f"""<!doctype html><html lang="en"><title>A mug</title>
            <script src="/cdn/perkie-loader.js" defer></script>
            <form id="product-form-main" method="post" enctype="multipart/form-data"></form>{block}"""

        async def shop(route: Route) -> None:
            path = route.request.url.partition("x.myshopify.com")[2]
            if path == "/apps/perkie/token":  # Shopify's proxy signs what it passes on
                pairs = [("shop", "x.myshopify.com"), ("timestamp", str(int(time.time())))]
                query = urlencode([*pairs, ("signature", shopify.signature(pairs, PROXY_SECRET))])
                answer = await server.client.get(f"/apps/perkie/token?{query}", headers={"X-Forwarded-For": "7.7.7.7"})
                await route.fulfill(body=answer.text, content_type="application/json")
            elif path == "/cdn/perkie-loader.js":
                await route.fulfill(body=loader, content_type="text/javascript")
            else:
                await route.fulfill(body=page, content_type="text/html")

        await visit.page.route("https://x.myshopify.com/**", shop)
        await visit.page.goto("https://x.myshopify.com/products/mug")
        await expect(visit.widget.locator(".frame")).to_be_visible()
        await visit.choose(upload(file_of(photo(320, 280, 401))))
        await visit.says("Your pictures are ready.")
        await visit.filled("original", "cutout", "ink_wash", "van_gogh_post_impressionism")
        await visit.card("ink_wash").locator("label").click()
        await expect(visit.card("ink_wash").locator("input")).to_be_checked()
        cart: dict[str, str] = await visit.page.evaluate(
            "() => Object.fromEntries(new FormData(document.getElementById('product-form-main')))"
        )
        assert cart["properties[_portrait_choice]"] == "ink_wash"
        assert cart["properties[_portrait_url]"].startswith(f"{server.url}/images/")
        assert visit.errors == []
