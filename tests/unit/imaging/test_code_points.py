"""Colour by code points (ITU-T H.273): the right sRGB of wide gamuts and HDR, from HEIC and PNG."""

from __future__ import annotations

import io
import struct

import numpy as np
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from tests.pictures import display_p3_profile, file_of, photo, png_chunk, raw_png

LIMITS = ImageLimits()
SRGB, LINEAR, PQ, HLG = 13, 8, 16, 18
BT709, BT2020, P3 = 1, 9, 12
WHITE = 203  # cd/m² of paper white (ITU-R BT.2408)

Floats = NDArray[np.float64]

# Linear RGB to linear sRGB, from the W3C's CSS Color 4: not made by the code under test.
TO_SRGB = {
    P3: np.array([[1.2249401763, -0.2249401763, 0], [-0.0420569547, 1.0420569547, 0],
                  [-0.0196375546, -0.0786360456, 1.0982736001]]),
    BT2020: np.array([[1.6604910021, -0.5876411388, -0.0728498633], [-0.1245504745, 1.1328998971, -0.0083494226],
                      [-0.0181507634, -0.1005788980, 1.1187296614]]),
    BT709: np.eye(3),
}  # fmt: skip


def linear(levels: np.ndarray) -> Floats:
    value = np.asarray(levels, float) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def pq(nits: Floats) -> Floats:
    y = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)


def hlg(nits: Floats) -> Floats:
    """Of a display of 1000 cd/m²: the inverse of the OOTF, then the OETF."""
    shown = nits / 1000
    luminance = shown @ [0.2627, 0.6780, 0.0593]
    scene = shown * np.maximum(luminance, 1e-9)[..., None] ** (-0.2 / 1.2)
    log = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), log)


def signal(srgb: np.ndarray, primaries: int, transfer: int, exposure: float = 1.0) -> Floats:
    """The picture as a camera with that colour space writes it, 0 to 1; paper white of HDR at 203 cd/m²."""
    light = linear(srgb) @ np.linalg.inv(TO_SRGB[primaries]).T * exposure
    if transfer == PQ:
        return pq(light * WHITE)
    if transfer == HLG:
        return hlg(light * WHITE)
    if transfer == LINEAR:
        return light
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light.clip(1e-9) ** (1 / 2.4) - 0.055)


def as_png(value: Floats, depth: int, primaries: int, transfer: int) -> bytes:
    top = (1 << depth) - 1
    samples = (value.clip(0, 1) * top).round().astype(">u2" if depth == 16 else np.uint8)
    chunk = png_chunk(b"cICP", bytes([primaries, transfer, 0, 1]))
    height, width, bands = value.shape
    return raw_png(width, height, depth, {1: 0, 3: 2}[bands], samples.tobytes(), chunk)


def as_heic(value: Floats, depth: int, primaries: int, transfer: int) -> bytes:
    samples = (value.clip(0, 1) * (65535 if depth > 8 else 255)).round().astype(np.uint16 if depth > 8 else np.uint8)
    mode = "RGB;16" if depth > 8 else "RGB"
    image = pillow_heif.from_bytes(mode, (value.shape[1], value.shape[0]), samples.tobytes())
    out = io.BytesIO()
    image.save(out, quality=-1, chroma=444, color_primaries=primaries, transfer_characteristics=transfer,
               matrix_coefficients=9 if primaries == BT2020 else 1, full_range_flag=1)  # fmt: skip
    return out.getvalue()


WRITERS = {"PNG": as_png, "HEIC": as_heic}


def muted(top: int = 200) -> np.ndarray:
    """A photo that stays within sRGB and below the knee of the highlights."""
    return np.asarray(photo()).astype(float) * (top - 20) // 255 + 20


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("primaries", "depth"), [(P3, 8), (P3, 10), (BT2020, 10)])
def test_wide_gamuts_come_out_in_srgb(writer: str, primaries: int, depth: int) -> None:
    srgb = muted()
    data = WRITERS[writer](
        signal(srgb, primaries, SRGB), 16 if writer == "PNG" and depth > 8 else depth, primaries, SRGB
    )
    decoded = codec.decode(data, LIMITS)
    assert decoded.notes == ()
    far = np.abs(decoded.raster.rgb - srgb)
    assert (np.percentile(far, 99), far.mean()) < (3.01, 1)


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_hdr_below_paper_white_keeps_its_colours(writer: str, transfer: int, name: str) -> None:
    srgb = muted()
    data = WRITERS[writer](signal(srgb, BT2020, transfer), 16 if writer == "PNG" else 10, BT2020, transfer)
    decoded = codec.decode(data, LIMITS)
    assert decoded.notes == (f"HDR ({name}) was converted to sRGB",)
    far = np.abs(decoded.raster.rgb - srgb)
    assert (np.percentile(far, 99), far.mean()) < (4.01, 1.2)


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_highlights_are_compressed_in_order_and_keep_their_hue(transfer: int) -> None:
    """A grey ramp to 1000 cd/m² rises all the way to white; a bright orange stays orange."""
    ramp = np.repeat(np.linspace(0, 255, 300)[None, :, None], 300, axis=0).repeat(3, axis=2)
    ramp[:20] = (255, 140, 30)
    raster = codec.decode(as_png(signal(ramp, BT2020, transfer, 1000 / WHITE), 16, BT2020, transfer), LIMITS).raster
    grey = raster.rgb[-1].astype(int)
    assert (np.ptp(grey, axis=1) <= 1).all()
    assert (np.diff(grey[:, 0]) >= 0).all()
    assert grey[-1, 0] >= 254
    assert grey[150, 0] < 250, "what is over paper white is still told apart"
    orange = linear(raster.rgb[0, 0])
    assert orange[1] / orange[0] == pytest.approx(linear(np.array(140)) / linear(np.array(255)), rel=0.1)


def test_display_p3_by_number_is_that_of_the_profile() -> None:
    image = photo()
    by_profile = codec.decode(file_of(image, "PNG", icc_profile=display_p3_profile()), LIMITS).raster.rgb
    by_number = codec.decode(as_png(np.asarray(image) / 255, 8, P3, 4), LIMITS).raster.rgb  # 4: gamma 2.2, as there
    # littlecms and the code points clip colours outside of sRGB alike
    assert np.percentile(np.abs(by_profile.astype(int) - by_number), 99) <= 3


def test_light_by_number_is_linear() -> None:
    srgb = muted()
    raster = codec.decode(as_png(signal(srgb, BT709, LINEAR), 16, BT709, LINEAR), LIMITS).raster
    assert np.abs(raster.rgb - srgb).max() <= 1


@pytest.mark.parametrize("points", [(1, 13), (1, 1), (2, 2), (6, 6), (5, 1), (1, 0), (22, 99)])
def test_code_points_next_to_srgb_change_nothing(points: tuple[int, int]) -> None:
    """Cameras write those of television without meaning them; libvips and Pillow look at none."""
    image = np.asarray(photo())
    decoded = codec.decode(as_png(image / 255, 8, *points), LIMITS)
    assert (decoded.raster.rgb == image).all()
    assert decoded.notes == ()


def test_code_points_go_before_a_profile() -> None:
    image = np.asarray(photo())
    plain = as_png(image / 255, 8, BT709, SRGB)
    end = plain.index(b"cICP") - 4
    with_profile = file_of(Image.fromarray(image), "PNG", icc_profile=display_p3_profile())
    start = with_profile.index(b"iCCP") - 4
    (length,) = struct.unpack_from(">I", with_profile, start)
    data = plain[:end] + with_profile[start : start + length + 12] + plain[end:]
    assert (codec.decode(data, LIMITS).raster.rgb == image).all()


@pytest.mark.parametrize("transfer", [SRGB, PQ])
def test_alpha_stays_as_it_is(transfer: int) -> None:
    rgba = np.dstack([np.asarray(photo()), np.asarray(photo(seed=3))[..., :1]])
    chunk = png_chunk(b"cICP", bytes([P3, transfer, 0, 1]))
    raster = codec.decode(raw_png(300, 300, 8, 6, rgba.tobytes(), chunk), LIMITS).raster
    assert raster.alpha is not None
    assert (raster.alpha == rgba[..., 3]).all()


def test_grey_hdr_is_grey() -> None:
    value = signal(np.repeat(muted()[..., :1], 3, axis=2), BT709, PQ)[..., :1]
    raster = codec.decode(as_png(value, 16, BT2020, PQ), LIMITS).raster
    assert np.ptp(raster.rgb.astype(int), axis=2).max() <= 1
    assert np.abs(raster.rgb[..., 0] - muted()[..., 0]).max() <= 3
