"""``POST /v1.0/removebg`` over a real socket: each parameter as the remove.bg API defines it, or refused."""

from __future__ import annotations

import base64
import io
import time
import zipfile
from collections.abc import AsyncIterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from perkie_cli.config.schema import ByteCount, HttpSettings
from perkie_cli.domain.errors import MissingWeights, Unavailable
from tests.http_server import API_KEY, PHOTO, PHOTO64, Running, running, secured
from tests.pictures import file_of, photo

WIDE = file_of(photo(1200, 800))  # the test's engine takes 300..900, 200..600 for the subject
SUBJECT = {"top": 200, "left": 300, "width": 600, "height": 400}
JSON = {"Accept": "application/json"}


@cache
def huge() -> bytes:
    return file_of(photo(2600, 1700))


@pytest.fixture
async def server() -> AsyncIterator[Running]:
    async with running() as made:
        yield made


async def cut(server: Running, data: bytes = WIDE, /, headers: Any = None, **fields: str) -> httpx.Response:
    return await server.client.post(
        "/v1.0/removebg", data=fields, files={"image_file": ("a.jpg", data)}, headers=headers
    )


async def picture(server: Running, data: bytes = WIDE, /, **fields: str) -> Image.Image:
    answer = await cut(server, data, **fields)
    assert answer.status_code == 200, answer.text
    made = Image.open(io.BytesIO(answer.content))
    assert (int(answer.headers["x-width"]), int(answer.headers["x-height"])) == made.size
    return made


def box(image: Image.Image) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is hardly transparent."""
    if image.mode == "RGB":
        return (0, 0, *image.size)
    found = image.getchannel("A").point(lambda value: 255 if value > 127 else 0).getbbox()
    assert found is not None
    return found


def near(found: Sequence[float], wanted: Sequence[float], within: float = 2) -> bool:
    assert np.abs(np.subtract(found, wanted)).max() <= within, (found, wanted)
    return True


async def test_the_usual_answer(server: Running) -> None:
    answer = await cut(server)
    made = Image.open(io.BytesIO(answer.content))
    assert (made.format, made.mode, made.size) == ("PNG", "RGBA", (612, 408)), "preview: a quarter of a megapixel"
    told = {name: int(answer.headers[f"x-foreground-{name}"]) for name in SUBJECT}
    assert told == SUBJECT, "in px of the picture that was sent"
    assert (answer.headers["x-type"], answer.headers["x-credits-charged"]) == ("animal", "0")
    assert near(box(made), (153, 102, 459, 306))


async def test_json_holds_the_same(server: Running) -> None:
    answer = await cut(server, headers=JSON, size="auto")
    facts = answer.json()["data"]
    assert {name: facts[f"foreground_{name}"] for name in SUBJECT} == SUBJECT
    made = Image.open(io.BytesIO(base64.b64decode(facts["result_b64"])))
    assert (made.mode, made.size) == ("RGBA", (1200, 800))


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/json", "application/json"),
        ("image/png, application/json;q=0.1", "image/png"),
        ("application/json, text/plain, */*", "image/png"),  # axios, which wants the picture
        ("application/zip", "image/png"),
        ("text/html", "image/png"),
        ("*/*", "image/png"),
    ],
)
async def test_json_is_for_those_that_like_it_best(server: Running, accept: str, kind: str) -> None:
    assert (await cut(server, headers={"Accept": accept})).headers["content-type"] == kind


MEGAPIXELS = {
    "preview": 0.25, "small": 0.25, "regular": 0.25, "medium": 1.5, "hd": 4, "full": 10, "4k": 10, "auto": 10,
    "50MP": 10,
}  # fmt: skip


async def test_sizes_bound_the_result(server: Running) -> None:
    for size, most in MEGAPIXELS.items():  # of one cut-out, which is kept
        made = await picture(server, huge(), size=size, format="jpg")  # made in a tenth of a PNG's time
        pixels = made.width * made.height
        assert pixels <= most * 1e6, size
        assert pixels >= min(most * 1e6, 2600 * 1700) * 0.98, size
        assert abs(made.width / made.height - 2600 / 1700) < 0.01, size


async def test_sizes_bound_the_result_with_its_margins(server: Running) -> None:
    margins = await picture(server, size="preview", crop="true", crop_margin="50%")
    assert margins.width * margins.height <= 250_000


# ------------------------------------------------------------------ formats


async def test_a_zip_holds_colours_and_alpha(server: Running) -> None:
    answer = await cut(server, format="zip", size="auto")
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert sorted(archive.namelist()) == ["alpha.png", "color.jpg"]
        colour, alpha = (Image.open(io.BytesIO(archive.read(name))) for name in ("color.jpg", "alpha.png"))
    assert (colour.format, colour.mode, colour.size) == ("JPEG", "RGB", (1200, 800))
    assert (alpha.format, alpha.mode, alpha.size) == ("PNG", "L", (1200, 800))
    png = await picture(server, format="png", size="auto")
    assert np.array_equal(np.asarray(alpha), np.asarray(png.getchannel("A")))
    inside = (400, 300, 800, 500)
    apart = np.subtract(np.asarray(colour.crop(inside), int), np.asarray(png.convert("RGB").crop(inside), int))
    assert np.abs(apart).mean() < 3
    assert (await cut(server, format="zip", size="auto")).content == answer.content


@pytest.mark.parametrize(
    ("fields", "format_", "mode", "corner"),
    [
        ({"format": "auto"}, "PNG", "RGBA", (0,)),
        ({"format": "jpg"}, "JPEG", "RGB", (255, 255, 255)),
        ({"format": "auto", "bg_color": "fff"}, "JPEG", "RGB", (255, 255, 255)),
        ({"format": "png", "bg_color": "fff"}, "PNG", "RGB", (255, 255, 255)),
        ({"format": "webp"}, "WEBP", "RGBA", (0,)),
        ({"bg_color": "81d4fa"}, "JPEG", "RGB", (0x81, 0xD4, 0xFA)),
        ({"bg_color": "#81D4FA"}, "JPEG", "RGB", (0x81, 0xD4, 0xFA)),
        ({"bg_color": "green"}, "JPEG", "RGB", (0, 128, 0)),
        ({"bg_color": "81d4"}, "PNG", "RGBA", (0x88, 0x11, 0xDD, 0x44)),
        ({"bg_color": "81d4fa77"}, "PNG", "RGBA", (0x81, 0xD4, 0xFA, 0x77)),
        ({"bg_color": "81d4faff"}, "JPEG", "RGB", (0x81, 0xD4, 0xFA)),
        ({"bg_color": "ff000080", "format": "jpg"}, "JPEG", "RGB", (255, 127, 127)),
        ({"channels": "alpha"}, "PNG", "L", (0,)),
        ({"channels": "alpha", "format": "jpg"}, "JPEG", "L", (0,)),
    ],
)
async def test_formats_and_backgrounds(
    server: Running, fields: dict[str, str], format_: str, mode: str, corner: tuple[int, ...]
) -> None:
    made = await picture(server, **fields)
    assert (made.format, made.mode) == (format_, mode)
    found = np.atleast_1d(np.asarray(made)[3, 3]).tolist()
    assert near(found[-len(corner) :], corner, 4)
    if mode == "RGBA":
        assert made.getpixel((306, 204))[3] == 255  # type: ignore[index]


async def test_a_picture_behind(server: Running) -> None:
    behind = file_of(Image.new("RGB", (90, 90), (10, 200, 30)), "PNG")
    answer = await server.client.post("/v1.0/removebg", files={"image_file": WIDE, "bg_image_file": behind})
    made = Image.open(io.BytesIO(answer.content))
    assert (made.format, made.size) == ("JPEG", (612, 408))
    assert near(made.getpixel((3, 3)), (10, 200, 30), 4)  # type: ignore[arg-type]
    broken = await server.client.post("/v1.0/removebg", files={"image_file": WIDE, "bg_image_file": behind[:60]})
    assert (broken.status_code, broken.json()["errors"][0]["code"]) == (400, "failed_to_read_image")


# ------------------------------------------------------------------ layout


@pytest.mark.parametrize(
    ("fields", "size"),
    [
        ({"crop": "true"}, (600, 400)),
        ({"crop": "1"}, (600, 400)),
        ({"crop": "true", "crop_margin": "30px"}, (660, 460)),
        ({"crop": "true", "crop_margin": "10%"}, (720, 480)),
        ({"crop": "true", "crop_margin": "10% 20%"}, (840, 480)),
        ({"crop": "true", "crop_margin": "10px 20px 30px 40px"}, (660, 440)),
        ({"crop": "true", "crop_margin": "0 5%"}, (660, 400)),
        ({"crop": "false", "crop_margin": "30px"}, (1200, 800)),
        ({"crop_margin": "30px"}, (1200, 800)),
    ],
)
async def test_crops(server: Running, fields: dict[str, str], size: tuple[int, int]) -> None:
    answer = await cut(server, size="auto", **fields)
    assert near(Image.open(io.BytesIO(answer.content)).size, size, 1)
    assert int(answer.headers["x-foreground-left"]) == SUBJECT["left"]


async def test_margins_lie_where_they_were_asked_for(server: Running) -> None:
    made = await picture(server, size="auto", crop="true", crop_margin="10px 20px 30px 40px")
    assert near(box(made), (40, 10, 640, 410), 1)


@pytest.mark.parametrize(
    ("fields", "subject"),
    [
        ({"scale": "50%"}, (300, 200, 900, 600)),
        ({"scale": "100%"}, (0, 0, 1200, 800)),
        ({"scale": "25%"}, (450, 300, 750, 500)),
        ({"scale": "25%", "position": "0%"}, (0, 0, 300, 200)),
        ({"scale": "25%", "position": "100% 0%"}, (900, 0, 1200, 200)),
        ({"position": "0% 100%"}, (0, 400, 600, 800)),
        ({"position": "center"}, (300, 200, 900, 600)),
        ({"position": "original"}, (300, 200, 900, 600)),
        ({"scale": "original"}, (300, 200, 900, 600)),
        ({"scale": "50%", "crop": "true"}, (150, 100, 450, 300)),
    ],
)
async def test_scale_and_position(server: Running, fields: dict[str, str], subject: tuple[int, ...]) -> None:
    assert near(box(await picture(server, size="auto", **fields)), subject)


async def test_a_scaled_subject_stays_where_it_was_when_asked_to(server: Running) -> None:
    off_centre = {"roi": "300px 200px 600px 400px", "scale": "10%", "position": "original"}
    assert near(box(await picture(server, size="auto", **off_centre)), (390, 260, 510, 340))


async def test_regions(server: Running) -> None:
    for roi in ("300px 200px 600px 400px", "25% 25% 50% 50%", "0 0 50% 400px"):
        assert near(box(await picture(server, size="auto", roi=roi)), (300, 200, 600, 400), 1)
    whole = await picture(server, size="auto", roi="0% 0% 100% 100%")
    assert near(box(whole), (300, 200, 900, 600), 1)


# ------------------------------------------------------------------ refusals

REFUSED: list[tuple[dict[str, str], str]] = [
    ({"size": "bogus"}, "invalid_size"),
    ({"format": "gif"}, "invalid_format"),
    ({"channels": "rgb"}, "invalid_channels"),
    ({"channels": "alpha", "bg_color": "fff"}, "invalid_channels"),
    ({"type": "unicorn"}, "invalid_type"),
    ({"type_level": "3"}, "invalid_type_level"),
    ({"bg_color": "not a colour"}, "invalid_bg_color"),
    ({"bg_color": "12345"}, "invalid_bg_color"),
    ({"bg_color": "rgb(1,2,3)"}, "invalid_bg_color"),
    ({"crop": "yes please"}, "invalid_crop"),
    ({"crop_margin": "30"}, "invalid_crop_margin"),
    ({"crop_margin": "1px 2px 3px"}, "invalid_crop_margin"),
    ({"crop_margin": "51%"}, "invalid_crop_margin"),
    ({"crop_margin": "501px"}, "invalid_crop_margin"),
    ({"crop_margin": "-1px"}, "invalid_crop_margin"),
    ({"scale": "5%"}, "invalid_scale"),
    ({"scale": "101%"}, "invalid_scale"),
    ({"scale": "half"}, "invalid_scale"),
    ({"position": "left"}, "invalid_position"),
    ({"position": "1% 2% 3%"}, "invalid_position"),
    ({"position": "101%"}, "invalid_position"),
    ({"roi": "1 2 3 4"}, "invalid_roi"),
    ({"roi": "0% 0% 100%"}, "invalid_roi"),
    ({"roi": "0px 0px 5000px 5000px"}, "roi_exceeds_bounds"),
    ({"roi": "50% 50% 10% 10%"}, "roi_region_empty"),
    ({"roi": "0% 0% 10% 10%"}, "unknown_foreground"),
    ({"add_shadow": "true"}, "invalid_add_shadow"),
    ({"shadow_type": "drop"}, "invalid_shadow_type"),
    ({"semitransparency": "perhaps"}, "invalid_semitransparency"),
    ({"bg_image_url": "https://example.com/a.jpg"}, "failed_bg_download"),
    ({"bg_image_file": "text"}, "invalid_bg_image_file"),
    ({"image_url": "https://example.com/a.jpg"}, "failed_image_download"),
    ({"image_file_b64": PHOTO64}, "multiple_sources"),
    ({"bg_colour": "fff"}, "unknown_parameter"),
]


@pytest.mark.parametrize(("fields", "code"), REFUSED)
async def test_what_is_not_right_is_refused_in_its_words(server: Running, fields: dict[str, str], code: str) -> None:
    answer = await cut(server, **fields)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert list(answer.json()) == ["errors"]
    (error,) = answer.json()["errors"]
    assert (error["code"], bool(error["title"])) == (code, True)
    if code != "unknown_foreground":
        assert server.matting.calls == 0, "nobody works for nothing"


async def test_what_changes_nothing_is_taken(server: Running) -> None:
    plain = {"type": "person", "type_level": "latest", "semitransparency": "false", "add_shadow": "false", "roi": ""}
    answer = await cut(server, **plain, bg_color="", image_file_b64="", scale="", crop="false", shadow_type="none")
    assert (answer.status_code, answer.headers["x-type"]) == (200, "person")
    assert "x-type" not in (await cut(server, type_level="none")).headers


async def test_sources(server: Running) -> None:
    text = await server.client.post("/v1.0/removebg", json={"image_file_b64": PHOTO64, "crop": True, "size": "auto"})
    assert Image.open(io.BytesIO(text.content)).size == (160, 140)
    encoded = await server.client.post("/v1.0/removebg", data={"image_file_b64": PHOTO64})
    assert encoded.status_code == 200
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"data": {"size": "auto"}}, "missing_source"),
        ({"data": {"image_url": "http://169.254.169.254/latest"}}, "failed_image_download"),
        ({"data": {"image_file_b64": "no base64!"}}, "failed_to_read_image"),
        ({"data": {"image_file_b64": "R0lGODlhAQABAAAAACw="}}, "invalid_file_type"),
        ({"files": {"image_file": PHOTO[:400]}}, "failed_to_read_image"),
        ({"files": {"image_file": PHOTO, "photo": PHOTO}}, "unknown_parameter"),
        ({"files": [("image_file", PHOTO), ("image_file", PHOTO)]}, "invalid_fields"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, "invalid_request"),
        ({"json": {"image_file_b64": PHOTO64, "size": ["auto"]}}, "invalid_size"),
        ({"json": {"image_file_b64": PHOTO64, "crop_margin": {}}}, "invalid_crop_margin"),
    ]
    for sent, code in wrong:
        answer = await server.client.post("/v1.0/removebg", **sent)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code), answer.text


async def test_limits_of_pictures() -> None:
    async with running(HttpSettings(max_image=ByteCount(1000))) as server:
        answer = await cut(server)
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "file_too_large")


# ------------------------------------------------------------------ the other statuses


async def test_credentials_rates_and_credits(tmp_path: Path) -> None:
    async with running(secured(tmp_path, rate_burst=2, rate_ip=4)) as server:
        nobody = await cut(server)
        assert (nobody.status_code, nobody.json()["errors"][0]["code"]) == (403, "auth_failed")
        key = {"X-Api-Key": API_KEY}
        account = await server.client.get("/v1.0/account", headers=key)
        assert account.json()["data"]["attributes"]["credits"]["total"] > 0
        answers = [await cut(server, headers=key) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-limit"] for answer in answers] == ["4"] * 3
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert abs(int(answers[0].headers["x-ratelimit-reset"]) - time.time()) < 60
        assert int(answers[2].headers["retry-after"]) >= 1
        assert answers[2].json()["errors"][0]["code"] == "rate_limit_exceeded"


async def test_what_is_ours_to_mend_is_no_fault_of_the_caller(server: Running) -> None:
    for error in (MissingWeights("/srv/models/ckpt.pth is not there"), Unavailable("no room")):
        server.matting.error = error
        answer = await cut(server)
        assert answer.status_code == 503
        assert "/srv" not in answer.text
        assert answer.json()["errors"][0]["code"] == error.code
