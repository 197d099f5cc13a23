"""What customers do with the widget: photos in every way, choices by touch and keyboard, forms, consent."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.async_api import Browser, expect

from perkie_cli.config.schema import HttpSettings
from tests.browser import Visit, needs_chromium, upload, visiting
from tests.http_server import Running, running
from tests.pictures import exif_of, file_of, photo

pytestmark = [needs_chromium, pytest.mark.asyncio(loop_scope="module")]
AT_ONCE = ("original", "cutout", "ink_wash", "van_gogh_post_impressionism")
READY = "Your pictures are ready."
SLOW = pytest.mark.slow
ADD_FILE = """([bytes, name, type, event]) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(atob(bytes), (each) => each.charCodeAt())], name, { type }));
  const made = event === "drop" ? new DragEvent(event, { dataTransfer: data, bubbles: true, cancelable: true })
    : new ClipboardEvent(event, { clipboardData: data, bubbles: true, cancelable: true });
  (event === "drop" ? document.querySelector("perkie-portrait") : document.body).dispatchEvent(made);
}"""


PHOTO = """async () => {
  const bytes = new Uint8Array(await window.photo.arrayBuffer());
  return btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(""));
}"""


def pet(seed: int, **options: Any) -> bytes:
    return file_of(photo(320, 280, seed), **options)


async def shop(visit: Visit, server: Running, body: str) -> None:
    """A page of the server's own origin with this body and the loader."""
    html = f'<!doctype html><html lang="en"><script src="widget/loader.js" defer></script><body>{body}'
    await visit.page.route(f"{server.url}/shop", lambda route: route.fulfill(body=html, content_type="text/html"))
    await visit.page.goto(f"{server.url}/shop")


async def arrives(visit: Visit, data: bytes) -> None:
    """Waits until the server has named exactly these bytes by their hash."""
    for _ in range(600):
        if any(each["image_hash"] == hashlib.sha256(data).hexdigest() for each in await visit.told("select")):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"other bytes arrived: {await visit.told('select')}")


REFUSED = {
    "text": (b"just text", "note.jpg", "note.jpg is not a picture that we can read. JPEG, PNG, WebP and HEIC work"),
    "empty": (b"", "empty.jpg", "empty.jpg is empty. Please choose it once more."),
    "a film": (b"\0\0\0\x20ftypisom" + bytes(300), "film.heic", "film.heic is not a picture that we can read."),
    "tiny": (file_of(photo(300, 200)), "tiny.jpg", "tiny.jpg has only 300 × 200 pixels. At least 256 a side"),
    "tiny PNG": (file_of(photo(100, 90), "PNG"), "tiny.png", "tiny.png has only 100 × 90 pixels."),
    "tiny WebP": (file_of(photo(90, 100), "WEBP"), "tiny.webp", "tiny.webp has only 90 × 100 pixels."),
    "too large": (
        b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(21 * 2**20),
        "huge.heic",
        "huge.heic is too large. Up to 20 MB can be sent.",
    ),
}


async def test_what_cannot_be_used_is_told_by_name_before_anything_is_sent(
    visit: Visit, server: Running, tmp_path: Path
) -> None:
    await visit.open(server.url)
    for data, name, sentence in REFUSED.values():
        (tmp_path / name).write_bytes(data)
        await visit.choose(tmp_path / name)
        await visit.says(sentence)
    assert visit.asked("/api/v2/process") == []
    await visit.choose(upload(pet(201)))
    await visit.says(READY)
    _, name, sentence = REFUSED["text"]
    await visit.choose(tmp_path / name)
    await visit.says(sentence)
    await visit.filled(*AT_ONCE)  # the photo before and its pictures stay


async def test_the_original_bytes_go_so_that_every_device_hits_the_cache(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    for data, kind in (
        (pet(202, exif=exif_of(6)), "image/jpeg"),
        (pet(203, kind="PNG"), "image/png"),
        (pet(204, kind="WEBP"), "image/webp"),
        (pet(205, kind="HEIF"), ""),
    ):
        await visit.choose(upload(data, "pet", kind))
        await arrives(visit, data)


@pytest.mark.parametrize(
    ("width", "height", "orientation"),
    [(4500, 300, 6), pytest.param(4500, 300, 1, marks=SLOW), pytest.param(300, 4500, 1, marks=SLOW)],
)
async def test_a_huge_photo_is_shrunk_first_as_it_is_seen(
    visit: Visit, server: Running, width: int, height: int, orientation: int
) -> None:
    data = file_of(photo(width, height), exif=exif_of(orientation))
    await visit.open(server.url)
    await visit.choose(upload(data))
    await visit.says(READY)
    sent = base64.b64decode(await visit.page.evaluate(PHOTO))
    await arrives(visit, sent)
    with Image.open(BytesIO(sent)) as seen:
        assert max(seen.size) == 4096
        upright = (width, height) if orientation == 1 else (height, width)
        assert abs(seen.width / seen.height - upright[0] / upright[1]) < 0.1 * upright[0] / upright[1]
        assert len(seen.convert("RGB").resize((8, 8)).getcolors() or ()) > 8, "not black"


async def test_a_photo_that_is_dropped_or_pasted_is_taken(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    for seed, event in ((206, "drop"), (207, "paste")):
        data = pet(seed)
        given = [base64.b64encode(data).decode(), "pet.jpg", "image/jpeg", event]
        await visit.page.evaluate(ADD_FILE, given)
        await arrives(visit, data)


async def test_a_photo_that_is_chosen_before_the_component_is_there_is_taken(visit: Visit, server: Running) -> None:
    gate = asyncio.Event()

    async def later(route: Any) -> None:
        await gate.wait()
        await route.continue_()

    await visit.page.route("**/view.js", later)
    await visit.page.goto(server.url)
    async with visit.page.expect_file_chooser() as chooser:
        await visit.widget.get_by_role("button", name="Choose a photo").click()
    await (await chooser.value).set_files(upload(pet(208)))  # type: ignore[arg-type]
    gate.set()
    await visit.says(READY)
    await visit.filled(*AT_ONCE)


async def test_focus_stays_when_the_component_takes_over(visit: Visit, server: Running) -> None:
    gate = asyncio.Event()

    async def later(route: Any) -> None:
        await gate.wait()
        await route.continue_()

    await visit.page.route("**/view.js", later)
    await visit.page.goto(server.url)
    choose = visit.widget.get_by_role("button", name="Choose a photo")
    await choose.focus()
    gate.set()
    await expect(visit.widget.locator(".frame")).to_be_visible()
    await expect(choose).to_be_focused()


async def test_it_is_imported_when_it_is_near_or_touched(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<div style="height: 5000px"></div><perkie-portrait></perkie-portrait>')
    await expect(visit.widget.get_by_role("button", name="Choose a photo")).to_have_count(1)
    await visit.page.wait_for_load_state("networkidle")
    assert visit.asked("portrait.js") == []
    assert visit.asked("/warmup") == []
    await visit.page.mouse.wheel(0, 4000)
    await expect(visit.widget.locator(".frame")).to_have_count(1)


async def test_two_blocks_share_one_warm_up_and_what_is_kept(visit: Visit, server: Running) -> None:
    await shop(visit, server, "<perkie-portrait></perkie-portrait>" * 2)
    await expect(visit.widget.locator(".frame")).to_have_count(2)
    await visit.choose(upload(pet(209)), block=0)
    await visit.says(READY, block=0)
    await visit.choose(upload(pet(210)), block=1)
    await visit.says(READY, block=1)
    await visit.says(READY, block=0)
    for block in (0, 1):
        await expect(visit.widget.nth(block).locator(".card.filled")).to_have_count(4)
    assert len(visit.asked("/warmup")) == len(visit.asked("/api/v1/widget")) == 1
    bodies = [each.post_data_buffer or b"" for each in visit.asked("/process")]
    sessions = [found[1] for body in bodies if (found := re.search(rb'name="session_id"\r\n\r\n(\S+)', body))]
    assert len(sessions) == 2
    assert len(set(sessions)) == 1
    await visit.page.reload()
    await expect(visit.widget.locator(".card.filled")).to_have_count(8)
    assert len(visit.asked("/warmup")) == 1, "once in a browser's session"
    assert visit.errors == []


async def test_the_element_fills_its_form(visit: Visit, server: Running) -> None:
    await shop(
        visit,
        server,
        '<form id="cart"></form><perkie-portrait form="cart" name="properties[_portrait_*]"></perkie-portrait>',
    )
    await expect(visit.widget.locator(".frame")).to_be_visible()
    data = pet(211)
    await visit.choose(upload(data))
    await visit.says(READY)
    fields = """() => Object.fromEntries([...new FormData(document.getElementById("cart"))]
        .map(([name, value]) => [name, value.size ?? value]))"""
    await visit.card("van_gogh_post_impressionism").locator("label").click()
    await expect(visit.card("van_gogh_post_impressionism").locator("input")).to_be_checked()
    drawn = await visit.page.evaluate(fields)
    assert drawn["properties[_portrait_choice]"] == "van_gogh_post_impressionism"
    assert drawn["properties[_portrait_url]"].startswith(f"{server.url}/images/")
    assert drawn["properties[_portrait_hash]"] == hashlib.sha256(data).hexdigest()
    assert "properties[_portrait_photo]" not in drawn


async def test_without_a_server_the_photo_itself_goes_into_the_order(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<form id="cart"><perkie-portrait></perkie-portrait></form>')
    await expect(visit.card("ink_wash")).to_have_count(1)
    await visit.page.wait_for_load_state("networkidle")
    await visit.page.context.set_offline(True)
    data = pet(212)
    await visit.choose(upload(data))
    await visit.says("You are offline")
    fields = """() => Object.fromEntries([...new FormData(document.getElementById("cart"))]
        .map(([name, value]) => [name, value.size ?? value]))"""
    assert await visit.page.evaluate(fields) == {"perkie_choice": "original", "perkie_photo": len(data)}


async def test_keyboard_alone_is_enough(visit: Visit, server: Running) -> None:
    await visit.open(server.url)
    await visit.page.keyboard.press("Tab")
    assert await visit.page.evaluate(
        "document.querySelector('perkie-portrait').shadowRoot.activeElement.className"
    ) == ("choose")
    async with visit.page.expect_file_chooser() as chooser:
        await visit.page.evaluate("0")  # after it, the browser hands choosers over
        await visit.page.keyboard.press("Enter")
    await (await chooser.value).set_files(upload(pet(213)))  # type: ignore[arg-type]
    await visit.says(READY)
    await visit.filled(*AT_ONCE)
    slider = visit.widget.get_by_role("slider", name="Before and after")
    await slider.focus()
    await visit.page.keyboard.press("End")
    assert await slider.input_value() == "100"
    assert await slider.get_attribute("aria-valuetext") == "100 %"
    checked = visit.widget.locator("input[name=choice]:checked")
    await checked.focus()
    before = await checked.get_attribute("value")
    await visit.page.keyboard.press("ArrowRight")
    assert await checked.get_attribute("value") != before
    assert (await visit.told("select"))[-1]["by"] in ("customer", "default")
    outline = (
        "getComputedStyle(document.querySelector('perkie-portrait').shadowRoot.querySelector('.card:has(:checked)'))"
    )
    assert await visit.page.evaluate(f"{outline}.outlineStyle") == "solid", "focus is seen"


async def test_focus_follows_the_work_to_the_pictures(visit: Visit, server: Running) -> None:
    server.engine.gate.clear()
    await visit.open(server.url)
    await visit.choose(upload(pet(214)))
    await visit.filled("original", "cutout")
    await visit.page.get_by_role("button", name="Stop").focus()
    server.engine.gate.set()
    await visit.says(READY)
    await expect(visit.widget.get_by_role("region", name="Your pictures")).to_be_focused()


async def test_a_phone_takes_and_touches(browser: Browser, server: Running) -> None:
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True, "device_scale_factor": 3}
    async with visiting(browser, **phone) as visit:
        await visit.open(server.url)
        camera = visit.widget.locator("input[capture=environment]")
        await expect(camera).to_have_attribute("accept", "image/*")
        async with visit.page.expect_file_chooser() as chooser:
            await visit.widget.get_by_role("button", name="Take a photo").tap()
        await (await chooser.value).set_files(upload(pet(215)))  # type: ignore[arg-type]
        await visit.says(READY)
        await visit.filled(*AT_ONCE)
        await visit.card("cutout").locator("label").tap()
        await expect(visit.card("cutout").locator("input")).to_be_checked()
        slider = visit.widget.get_by_role("slider")
        place = await slider.bounding_box()
        assert place is not None
        await visit.page.touchscreen.tap(place["x"] + place["width"] * 0.9, place["y"] + place["height"] / 2)
        assert int(await slider.input_value()) > 80
        for box in await visit.widget.get_by_role("button").all():
            if await box.is_visible():
                size = await box.bounding_box()
                assert size is not None
                assert size["height"] >= 24, "WCAG 2.2, 2.5.8"
        assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert visit.errors == []


async def test_progress_is_real_on_a_slow_network_and_processor(browser: Browser, server: Running) -> None:
    async with visiting(browser) as visit:
        await visit.open(server.url)
        await expect(visit.card("ink_wash")).to_have_count(1)
        devtools = await visit.page.context.new_cdp_session(visit.page)
        slow = {"offline": False, "latency": 100, "downloadThroughput": 400_000, "uploadThroughput": 150_000}
        await devtools.send("Network.emulateNetworkConditions", slow)
        await devtools.send("Emulation.setCPUThrottlingRate", {"rate": 4})
        await visit.choose(upload(pet(216, kind="PNG"), "pet.png", "image/png"))
        await visit.says("Sending your photo: ")
        await visit.says(READY)
        percents = [each["percent"] for each in await visit.told("progress") if each["phase"] == "sending"]
        assert percents == sorted(percents)
        assert {0, 25, 50, 75, 100} >= set(percents) >= {100}
        assert len(percents) >= 3, "at each quarter, and no more often"


async def test_nothing_is_sent_or_stored_before_the_customer_agrees(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<perkie-portrait consent="ask"></perkie-portrait>')
    await expect(visit.widget.locator(".frame")).to_be_visible()
    await visit.choose(upload(pet(217)))
    await visit.says("Your photo is sent to our artists and kept for a short time")
    assert visit.asked("/api/v2/process") == []
    assert await visit.page.evaluate("localStorage.length + sessionStorage.length") == 0
    await visit.page.get_by_role("button", name="Agree and send").click()
    await visit.says(READY)
    assert await visit.page.evaluate("localStorage.length") > 0


async def test_a_shop_may_ask_for_consent_in_its_own_way(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<perkie-portrait consent="ask"></perkie-portrait>')
    await visit.page.evaluate("document.addEventListener('perkie:consent', (event) => event.preventDefault())")
    await expect(visit.widget.locator(".frame")).to_be_visible()
    await visit.choose(upload(pet(218)))
    await visit.filled("original")
    await expect(visit.page.get_by_role("button", name="Agree and send")).to_be_hidden()
    assert visit.asked("/api/v2/process") == []
    await visit.page.evaluate("document.querySelector('perkie-portrait').setAttribute('consent', 'given')")
    await visit.says(READY)


async def test_the_switch_hides_it_on_this_page_and_at_once_on_the_next(browser: Browser) -> None:
    async with running(replace(HttpSettings(), widget=False)) as server, visiting(browser) as visit:
        await visit.page.goto(server.url)
        await expect(visit.widget).to_be_hidden()
        asked = len(visit.asked("/api/v1/widget"))
        await visit.page.reload()
        await expect(visit.widget).to_be_hidden()
        await visit.page.wait_for_load_state("networkidle")
        assert len(visit.asked("/api/v1/widget")) == asked == 1
        assert visit.errors == []


async def test_named_styles_are_the_only_ones(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<perkie-portrait styles="perkie_print, modern"></perkie-portrait>')
    await expect(visit.card("bw_fine_art")).to_have_count(1)
    await visit.choose(upload(pet(219)))
    await visit.says(READY)
    await visit.filled("original", "cutout", "ink_wash")
    assert await visit.widget.locator(".card").count() == 4


async def test_the_words_follow_the_page_and_the_element(visit: Visit, server: Running) -> None:
    await shop(visit, server, '<div lang="de-AT"><perkie-portrait></perkie-portrait></div>')
    await expect(visit.widget.get_by_role("button", name="Foto auswählen")).to_be_visible()
    await expect(visit.widget.locator("#accepts")).to_contain_text("mindestens 256 Pixel")
    await visit.page.evaluate("document.querySelector('perkie-portrait').lang = 'fr'")
    await expect(visit.widget.locator("#accepts")).to_contain_text("au moins 256 pixels")
    await expect(visit.widget.get_by_role("button", name="Choisir une photo")).to_be_visible()
    await visit.page.evaluate("document.body.append(document.createElement('perkie-portrait'))")
    await visit.page.evaluate("document.querySelectorAll('perkie-portrait')[1].lang = 'es'")  # before it is imported
    await expect(visit.widget.nth(1).locator("#accepts")).to_contain_text("al menos 256")
    await expect(visit.widget.nth(1).get_by_role("button", name="Elegir una foto")).to_be_visible()


async def test_an_element_that_is_taken_away_stops_and_one_that_comes_back_goes_on(
    visit: Visit, server: Running
) -> None:
    server.engine.gate.clear()
    await visit.open(server.url)
    await visit.choose(upload(pet(220)))
    await visit.filled("original", "cutout")
    async with visit.page.expect_event("requestfailed"):
        await visit.page.evaluate("window.taken = document.querySelector('perkie-portrait'); taken.remove()")
    server.engine.gate.set()
    await visit.page.evaluate("document.querySelector('main').append(taken)")
    await visit.filled(*AT_ONCE)
    assert visit.errors == []


async def test_the_shops_editor_wakes_a_block_that_is_selected(visit: Visit, server: Running) -> None:
    await shop(
        visit, server, '<div style="height: 5000px"></div><div id="block"><perkie-portrait></perkie-portrait></div>'
    )
    await visit.page.evaluate("window.Shopify = { designMode: true }")
    await expect(visit.widget.get_by_role("button", name="Choose a photo")).to_have_count(1)
    await visit.page.evaluate(
        "document.getElementById('block').dispatchEvent(new CustomEvent('shopify:block:select', { bubbles: true }))"
    )
    await expect(visit.widget.locator(".frame")).to_be_in_viewport()
    assert visit.asked("/warmup") == [], "an editor is no customer"
