"""EXIF's orientation, whoever wrote it and wherever it stands."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.containers.exif import orientation
from tests.pictures import file_of, photo

LIMITS = ImageLimits()
TYPES = {
    "BYTE": (1, "B"),
    "SHORT": (3, "H"),
    "LONG": (4, "I"),
    "SBYTE": (6, "b"),
    "SSHORT": (8, "h"),
    "SLONG": (9, "i"),
}
ORDERS = {"little": ("<", b"II*\0"), "big": (">", b"MM\0*")}


def tiff(kind: str, value: int, order: str = "little", *, count: int = 1, before: int = 0) -> bytes:
    """The smallest TIFF with an orientation of that type, after so many other entries."""
    sign, head = ORDERS[order]
    number, letter = TYPES[kind]
    other = struct.pack(f"{sign}HHII", 0x010F, 2, 4, 0x41414141)
    entry = struct.pack(f"{sign}HHI", 0x0112, number, count) + struct.pack(f"{sign}{letter}", value).ljust(4, b"\0")
    return head + struct.pack(f"{sign}IH", 8, before + 1) + other * before + entry + bytes(4)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", range(1, 9))
def test_every_integer_type_is_read(kind: str, order: str, value: int) -> None:
    for prefix in (b"", b"Exif\0\0"):
        assert orientation(prefix + tiff(kind, value, order, before=3)) == value


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("value", [0, 9, 100])
def test_values_out_of_range_mean_upright(kind: str, order: str, value: int) -> None:
    assert orientation(tiff(kind, value, order)) == 1


@pytest.mark.parametrize("kind", ["SBYTE", "SSHORT", "SLONG"])
def test_negative_values_mean_upright(kind: str) -> None:
    assert orientation(tiff(kind, -6)) == 1


@given(st.binary(max_size=60), st.sampled_from([b"", b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08"]))
def test_any_bytes_give_an_orientation(tail: bytes, head: bytes) -> None:
    assert 1 <= orientation(head + tail) <= 8


@given(st.sampled_from(list(TYPES)), st.sampled_from(list(ORDERS)), st.integers(0, 40))
def test_cut_exif_means_upright(kind: str, order: str, length: int) -> None:
    whole = tiff(kind, 6, order)
    assert orientation(whole[:length]) in (1, 6)
    assert orientation(whole[: min(length, len(whole) - 9)]) == 1


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("kind", ["BYTE", "SHORT", "LONG"])
@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
def test_it_is_applied_in_every_container(container: str, kind: str, order: str) -> None:
    upright = photo(320, 280)
    held = upright.transpose(Image.Transpose.ROTATE_90)
    exif = b"Exif\0\0" + tiff(kind, 6, order)
    raster = codec.decode(file_of(held, container, exif=exif), LIMITS).raster
    assert (raster.width, raster.height) == (320, 280)
    assert np.abs(raster.rgb.astype(int) - np.asarray(upright)).mean() < 4
