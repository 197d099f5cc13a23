"""Reading and writing pictures: every mode, orientation and profile."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image, ImageCms, JpegImagePlugin

from perkie_cli.domain.errors import InvalidParameter, NotAnImage, TooManyBytes, TooManyPixels, TooSmall, UnreadableFile
from perkie_cli.domain.picture import ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from tests.pictures import (
    SIDE,
    display_p3_profile,
    exif_of,
    file_of,
    grey_profile,
    photo,
    png_chunk,
    press_profile,
    raw_png,
    with_hole,
)

LIMITS = ImageLimits()
KINDS = ("JPEG", "PNG", "WEBP", "HEIF")


def pixels(data: bytes, limits: ImageLimits = LIMITS) -> np.ndarray:
    return codec.decode(data, limits).raster.rgb.astype(int)


def far(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(np.asarray(a, int) - np.asarray(b, int)).mean())


# ------------------------------------------------------------------ formats


@pytest.mark.parametrize("kind", KINDS)
def test_every_format_comes_out_as_it_went_in(kind: str) -> None:
    image = photo(320, 280)
    decoded = codec.decode(file_of(image, kind), LIMITS)
    assert (decoded.raster.width, decoded.raster.height) == (320, 280)
    assert decoded.raster.alpha is None
    assert decoded.notes == ()
    assert far(decoded.raster.rgb, np.asarray(image)) < 4


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_agrees_with_decode(kind: str) -> None:
    data = file_of(photo(320, 280), kind)
    seen = codec.inspect(data, LIMITS)
    assert (seen.width, seen.height, seen.frames, seen.has_alpha) == (320, 280, 1, False)
    assert seen.pixels == 320 * 280


def test_lossless_webp_is_read_exactly() -> None:
    image = with_hole(photo())
    data = file_of(image, "WEBP", lossless=True)
    decoded = codec.decode(data, LIMITS).raster
    assert codec.inspect(data, LIMITS).has_alpha
    visible = np.asarray(image)[..., 3] == 255
    assert (decoded.rgb[visible] == np.asarray(image)[..., :3][visible]).all()
    assert decoded.alpha is not None
    assert (decoded.alpha == np.asarray(image)[..., 3]).all()


@pytest.mark.parametrize("length", [200, 201])
def test_webp_pads_chunks_of_odd_length(length: int) -> None:
    data = file_of(photo(), "WEBP", icc_profile=bytes(length))
    assert codec.inspect(data, LIMITS).width == SIDE


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a", "a GIF image"),
        (b"II*\0", "a TIFF image"),
        (b"MM\0*", "a TIFF image"),
        (b"BM\x10\0\0\0\0\0\0\0", "a BMP image"),
        (b"\0\0\0\x1cftypavif", "an AVIF image"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", "an AVIF image"),
        (b"\0\0\0\x18ftypqt  ", "a video"),
        (b"8BPS", "a Photoshop file"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a camera's raw photo"),
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw photo"),
        (b"FUJIFILMCCD-RAW 0201", "a camera's raw photo"),
        (b"\0\0\x02" + bytes(9) + b"\x40\1\x40\1\x18\0", "a TGA image"),
        (b"\0\0\x0a" + bytes(9) + b"\x40\1\x40\1\x20\x28", "a TGA image"),
        (b"\x1a\0\x03" + bytes(9) + b"\x40\1\x40\1\x08\0", "a TGA image"),
        (b"\0\1\1\0\0\0\1\x18" + bytes(4) + b"\x40\1\x40\1\x08\0", "a TGA image"),
        (b"\0\0\1\0\2\0\x10\x10\0\0\1\0\x20\0", "an icon file"),
        (b"\0\0\2\0\1\0\x20\x20\0\0\3\0\4\0", "an icon file"),
        (b"icns\0\0", "an icon file"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1miafavis", "an AVIF image"),
        (b"\0\0\0\x14ftypisom\0\0\2\0mp41", "a video"),
        (b"\0\0\0\x08wide\0\0\1\0mdat", "a video"),
        (b"P6\n640 480\n255\n", "a PNM image"),
        (b"qoif\0\0\1\0", "a QOI image"),
        (b"v/1\1\2\0\0\0", "an OpenEXR image"),
        (b"#?RADIANCE\n", "a Radiance HDR image"),
        (b"DDS |\0\0\0", "a DDS texture"),
        (b"II\xbc\1", "a JPEG XR image"),
        (b"gimp xcf v011", "a GIMP file"),
        (b"%PDF-1.7", "a PDF document"),
        (b'<?xml version="1.0"?>\n<svg xmlns="x">', "an SVG drawing"),
        (b"<!DOCTYPE html><html>", "a web page, not an image"),
        (b"PK\x03\x04", "a ZIP archive"),
        (b"hello", "not an image that perkie knows"),
    ],
)
def test_what_is_not_accepted_is_named(head: bytes, name: str) -> None:
    with pytest.raises(NotAnImage) as caught:
        codec.sniff(head + bytes(64), "pet.jpg")
    expected = f"pet.jpg is {name}"
    assert caught.value.message.startswith(expected)
    assert "JPEG, PNG, WebP and HEIC" in (caught.value.hint or "")


def test_nothing_is_not_a_picture() -> None:
    with pytest.raises(UnreadableFile, match=r"pet\.jpg is empty"):
        codec.sniff(b"", "pet.jpg")


# ------------------------------------------------------------------ limits


def test_small_pictures_are_refused_with_their_size() -> None:
    with pytest.raises(TooSmall) as caught:
        codec.inspect(file_of(photo(200, 180)), LIMITS, "pet.jpg")
    assert caught.value.message == "pet.jpg is 200 × 180 px; at least 256 px a side are needed"


def test_what_is_just_within_the_limits_is_accepted() -> None:
    data = file_of(photo(256, 256))
    limits = ImageLimits(max_bytes=len(data), min_side=256, max_side=256, max_pixels=256 * 256)
    assert codec.inspect(data, limits).width == 256


def test_too_many_bytes_are_refused_unread() -> None:
    with pytest.raises(TooManyBytes, match=r"pet\.jpg has 2\.0 KiB; at most 1\.0 KiB"):
        codec.inspect(b"\xff\xd8\xff" + bytes(2045), ImageLimits(max_bytes=1024), "pet.jpg")


def test_pixels_are_counted_before_decoding() -> None:
    with pytest.raises(TooManyPixels, match=r"300 × 300 px; at most 0\.08 megapixels"):
        codec.decode(file_of(photo()), ImageLimits(max_pixels=80_000))


@pytest.mark.parametrize("kind", KINDS)
def test_large_pictures_are_shrunk_with_a_note(kind: str) -> None:
    decoded = codec.decode(file_of(photo(640, 320), kind), ImageLimits(max_side=512))
    assert (decoded.raster.width, decoded.raster.height) == (512, 256)
    assert decoded.notes == ("shrunk from 640 × 320 to 512 × 256 px",)
    assert far(decoded.raster.rgb, np.asarray(photo(640, 320).resize((512, 256)))) < 6


@pytest.mark.parametrize("mode", ["L", "RGB", "LA", "RGBA"])
def test_shrinking_gives_the_pixels_of_pillow(mode: str) -> None:
    """Decoding resizes channel by channel; Pillow's way needs the whole picture several times."""
    samples = np.random.default_rng(3).integers(0, 256, (500, 640, 4), dtype=np.uint8)
    samples[:50, :, 3] = 0
    image = Image.fromarray(samples).convert(mode)
    data = file_of(image, "PNG")
    found = codec.decode(data, ImageLimits(min_side=1, max_side=400)).raster
    wanted = np.asarray(image.resize((400, 312), Image.Resampling.LANCZOS).convert("RGBA"))
    assert np.array_equal(found.rgb, wanted[..., :3])
    assert found.alpha is None or np.array_equal(found.alpha, wanted[..., 3])
    assert (found.alpha is None) is (mode in {"L", "RGB"})


@pytest.mark.parametrize("side", [400, 500, 640, 700, 799, 800])
def test_a_jpeg_is_decoded_to_no_less_than_is_asked_for(side: int) -> None:
    image = photo(800, 600)
    data = file_of(image, "JPEG", quality=95)
    found = codec.decode(data, ImageLimits(min_side=1, max_side=side)).raster
    wanted = np.asarray(image.resize((side, side * 3 // 4), Image.Resampling.LANCZOS))
    assert found.rgb.shape == wanted.shape
    assert np.abs(found.rgb.astype(int) - wanted).mean() < 3


def test_a_strip_that_shrinks_away_is_refused() -> None:
    with pytest.raises(TooSmall, match="512 × 75 px when shrunk to fit"):
        codec.inspect(file_of(photo(2048, 300)), ImageLimits(max_side=512))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_give_their_first_frame_and_a_note(kind: str) -> None:
    first, second = photo(), Image.new("RGB", (SIDE, SIDE), "black")
    data = file_of(first, kind, save_all=True, append_images=[second, first])
    decoded = codec.decode(data, LIMITS)
    assert decoded.notes == ("animated: the first of 3 frames is used",)
    assert far(decoded.raster.rgb, np.asarray(first)) < 4


# ------------------------------------------------------------------ orientation


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_orientation_is_baked_in(kind: str, orientation: int) -> None:
    upright = photo(320, 280)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Image.Transpose that a camera held so applies
    held = upright.transpose(Image.Transpose(undo[orientation])) if orientation in undo else upright
    data = file_of(held, kind, exif=exif_of(orientation))
    seen, decoded = codec.inspect(data, LIMITS), codec.decode(data, LIMITS).raster
    assert (seen.width, seen.height) == (decoded.width, decoded.height) == (320, 280)
    assert far(decoded.rgb, np.asarray(upright)) < 4


def test_heif_orientation_is_applied_once() -> None:
    upright = photo(320, 280)
    data = file_of(upright.transpose(Image.Transpose.ROTATE_90), "HEIF", exif=exif_of(6))
    decoded = codec.decode(data, LIMITS).raster
    assert (decoded.width, decoded.height) == (320, 280)
    assert far(decoded.rgb, np.asarray(upright)) < 5


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0MM\0*\xff\xff\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff", exif_of(9)]
)
def test_broken_exif_means_upright(exif: bytes) -> None:
    assert codec.decode(file_of(photo(320, 280), exif=exif), LIMITS).raster.width == 320


# ------------------------------------------------------------------ modes


def test_grey_and_grey_with_alpha() -> None:
    grey = photo().convert("L")
    assert far(pixels(file_of(grey, "PNG"))[..., 1], np.asarray(grey)) == 0
    hidden = with_hole(photo()).convert("LA")
    decoded = codec.decode(file_of(hidden, "PNG"), LIMITS).raster
    assert decoded.alpha is not None
    assert (decoded.alpha == np.asarray(hidden.getchannel("A"))).all()


def test_one_bit() -> None:
    bits = photo().convert("1")
    assert far(pixels(file_of(bits, "PNG"))[..., 0], np.asarray(bits) * 255) == 0


def test_palette_with_and_without_transparency() -> None:
    flat = photo().quantize(64)
    assert far(pixels(file_of(flat, "PNG")), np.asarray(flat.convert("RGB"))) == 0
    data = file_of(flat, "PNG", transparency=bytes([0, 128]) + bytes([255]) * 62)
    decoded = codec.decode(data, LIMITS).raster
    indices = np.asarray(flat)
    assert codec.inspect(data, LIMITS).has_alpha
    assert decoded.alpha is not None
    assert (decoded.alpha == np.where(indices == 0, 0, np.where(indices == 1, 128, 255))).all()


@pytest.mark.parametrize(("mode", "key"), [("L", 17), ("RGB", (10, 20, 30))])
def test_a_colour_key_becomes_alpha(mode: str, key: int | tuple[int, ...]) -> None:
    image = Image.new(mode, (SIDE, SIDE), 200 if mode == "L" else (200, 100, 50))
    image.paste(key, (0, 0, 100, 100))
    decoded = codec.decode(file_of(image, "PNG", transparency=key), LIMITS).raster
    assert decoded.alpha is not None
    assert (decoded.alpha[:100, :100] == 0).all()
    assert int((decoded.alpha == 0).sum()) == 100 * 100


def test_sixteen_bit_grey_is_scaled_not_clipped() -> None:
    ramp = np.linspace(0, 65535, SIDE * SIDE).reshape(SIDE, SIDE).astype(">u2")
    data = raw_png(SIDE, SIDE, 16, 0, ramp.tobytes())
    assert np.abs(pixels(data)[..., 0] - ramp / 257).max() <= 0.51


@pytest.mark.parametrize(("colour", "bands"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bits_with_colour_or_alpha(colour: int, bands: int) -> None:
    samples = np.random.default_rng(1).integers(0, 65536, (SIDE, SIDE, bands)).astype(">u2")
    decoded = codec.decode(raw_png(SIDE, SIDE, 16, colour, samples.tobytes()), LIMITS).raster
    assert np.abs(decoded.rgb[..., 0].astype(int) - samples[..., 0] / 257).max() <= 1
    if bands != 3:
        assert decoded.alpha is not None
        assert np.abs(decoded.alpha.astype(int) - samples[..., -1] / 257).max() <= 1


@pytest.mark.parametrize(("colour", "key"), [(0, (4000,)), (2, (4000, 9000, 60000))])
def test_a_sixteen_bit_colour_key_becomes_alpha(colour: int, key: tuple[int, ...]) -> None:
    samples = np.full((SIDE, SIDE, len(key)), 30000, ">u2")
    samples[:50, :50] = key
    chunk = png_chunk(b"tRNS", np.array(key, ">u2").tobytes())
    alpha = codec.decode(raw_png(SIDE, SIDE, 16, colour, samples.tobytes(), chunk), LIMITS).raster.alpha
    assert alpha is not None
    assert int((alpha == 0).sum()) == 2500


def test_opaque_alpha_is_dropped() -> None:
    assert codec.decode(file_of(photo().convert("RGBA"), "PNG"), LIMITS).raster.alpha is None


# ------------------------------------------------------------------ colour


def test_wide_gamut_is_converted() -> None:
    data = file_of(Image.new("RGB", (SIDE, SIDE), (200, 60, 60)), "PNG", icc_profile=display_p3_profile())
    red, green, _ = pixels(data)[0, 0]
    assert red > 208  # the same chromaticity needs more red in the narrower space
    assert green < 60


def test_an_srgb_profile_changes_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = photo()
    assert (pixels(file_of(image, "PNG", icc_profile=profile)) == np.asarray(image)).all()


def test_a_grey_picture_may_carry_a_colour_profile() -> None:
    data = file_of(Image.new("L", (SIDE, SIDE), 100), "PNG", icc_profile=display_p3_profile())
    assert codec.decode(data, LIMITS).notes == ()


def test_grey_profile_is_applied() -> None:
    data = file_of(Image.new("L", (SIDE, SIDE), 55), "PNG", icc_profile=grey_profile(1.0))
    assert pixels(data)[0, 0].tolist() == pytest.approx([127] * 3, abs=3)  # linear 55/255 is about half grey


def test_cmyk_with_profile_uses_it() -> None:
    cyan = Image.new("CMYK", (SIDE, SIDE), (255, 0, 0, 0))
    assert pixels(file_of(cyan, "JPEG", icc_profile=press_profile())).max() < 30  # a black ink on this press
    paper = Image.new("CMYK", (SIDE, SIDE), (0, 0, 0, 0))
    assert pixels(file_of(paper, "JPEG", icc_profile=press_profile())).min() > 250


def test_cmyk_without_profile_follows_adobe() -> None:
    image = Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0))
    assert far(pixels(file_of(image, "JPEG")), np.full((SIDE, SIDE, 3), (255, 0, 0))) < 4


@pytest.mark.parametrize("profile", [b"rubbish" * 40, press_profile(), grey_profile()])
def test_a_useless_profile_is_ignored_with_a_note(profile: bytes) -> None:
    image = photo()
    decoded = codec.decode(file_of(image, "PNG", icc_profile=profile), LIMITS)
    assert (decoded.raster.rgb == np.asarray(image)).all()
    assert "colour profile" in decoded.notes[0]


# ------------------------------------------------------------------ encode, resize, strip


def test_jpeg_is_progressive_and_bare() -> None:
    decoded = codec.decode(file_of(photo(), exif=exif_of(6), icc_profile=display_p3_profile()), LIMITS)
    data = codec.encode(decoded.raster, ImageFormat.JPEG).data
    image = Image.open(io.BytesIO(data))
    assert image.info.get("progressive")
    assert not {"exif", "icc_profile", "xmp", "comment"} & image.info.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_stripping_leaves_no_trace_of_where_and_when(kind: str) -> None:
    data = (
        file_of(photo(), kind, exif=exif_of(1), xmp=b"<x:xmpmeta>CanarySecretPlace</x:xmpmeta>") + b"CanarySecretTail"
    )
    clean = codec.strip_metadata(data, LIMITS).data
    assert b"CanarySecret" in data
    for trace in (b"CanarySecret", b"Exif", b"xmpmeta", b"ICC_PROFILE"):
        assert trace not in clean


def test_alpha_goes_over_white_in_jpeg() -> None:
    raster = codec.decode(file_of(with_hole(photo()), "PNG"), LIMITS).raster
    flat = Image.open(io.BytesIO(codec.encode(raster, ImageFormat.JPEG).data))
    assert np.asarray(flat)[10, 10].min() > 245


def test_masters_are_png_only_where_there_is_alpha() -> None:
    clear, opaque = with_hole(photo()), photo()
    assert codec.strip_metadata(file_of(clear, "PNG"), LIMITS).format is ImageFormat.PNG
    assert codec.strip_metadata(file_of(opaque, "PNG"), LIMITS).format is ImageFormat.JPEG


def test_masters_are_finer_and_keep_their_whole_chroma() -> None:
    raster = Raster(np.asarray(photo()))
    master = codec.encode_master(raster)
    assert master == codec.encode(raster, ImageFormat.JPEG, 92)
    samplings = [JpegImagePlugin.get_sampling(Image.open(io.BytesIO(each.data)))
                 for each in (master, codec.encode(raster, ImageFormat.JPEG))]  # fmt: skip
    assert samplings == [0, 2], "4:4:4 and 4:2:0"


def test_resize_gives_birth_to_no_fringe() -> None:
    rgb = np.zeros((400, 400, 3), np.uint8)
    rgb[:, 200:] = (10, 200, 10)
    rgb[:, :200] = (255, 0, 255)  # garbage under full transparency
    alpha = np.zeros((400, 400), np.uint8)
    alpha[:, 200:] = 255
    small = codec.resize(Raster(rgb, alpha), 111)
    assert small.alpha is not None
    shown = small.alpha > 16
    assert far(small.rgb[shown], np.full((int(shown.sum()), 3), (10, 200, 10))) < 3


@pytest.mark.parametrize(("side", "size"), [(100, (100, 50)), (900, (900, 450)), (600, (600, 300))])
def test_resize_sets_the_long_side(side: int, size: tuple[int, int]) -> None:
    made = codec.resize(Raster(np.zeros((300, 600, 3), np.uint8)), side)
    assert (made.width, made.height) == size


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40), st.just(4))))
def test_png_round_trip_is_exact(samples: np.ndarray) -> None:
    raster = Raster(samples[..., :3].copy(), samples[..., 3].copy())
    back = codec.decode(codec.encode(raster, ImageFormat.PNG).data, ImageLimits(min_side=1)).raster
    assert (back.rgb == raster.rgb).all()
    opaque = (samples[..., 3] == 255).all()
    if opaque:
        assert back.alpha is None
    else:
        assert back.alpha is not None
        assert (back.alpha == samples[..., 3]).all()


@given(st.integers(256, 600), st.integers(256, 600), st.sampled_from(list(ImageFormat)))
def test_sizes_survive_a_round_trip(width: int, height: int, kind: ImageFormat) -> None:
    raster = Raster(np.full((height, width, 3), 90, np.uint8))
    made = codec.encode(raster, kind)
    back = codec.decode(made.data, LIMITS).raster
    assert (back.width, back.height) == (made.width, made.height) == (width, height)
    assert far(back.rgb, raster.rgb) < 3


@pytest.mark.parametrize(("kind", "most"), [(ImageFormat.WEBP, 16_383), (ImageFormat.JPEG, 65_500)])
def test_what_a_format_cannot_hold_is_refused(kind: ImageFormat, most: int) -> None:
    widest = Raster(np.zeros((1, most, 3), np.uint8))
    assert codec.encode(widest, kind).width == most
    with pytest.raises(InvalidParameter, match=f"its maximum is {most} px"):
        codec.encode(Raster(np.zeros((1, most + 1, 3), np.uint8)), kind)
