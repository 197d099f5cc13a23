"""Other projects' test images through the codec: no crash, no unclassified error, no silent damage, the right colours.

They are not part of this repository. PERKIE_PICTURES names the folders (as PATH does) in which checkouts of Pillow,
libvips, sharp, libheif, image-png (PngSuite), exif-samples and so on lie. The peers are libvips (`pip install
'pyvips[binary]'`) and, for what that cannot read, Pillow with littlecms.
"""

from __future__ import annotations

import collections
import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms, ImageOps

from perkie_cli.domain.errors import BadInput, NotAnImage
from perkie_cli.domain.picture import MASTER_QUALITY, ImageFormat, ImageLimits
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster, with_alpha

FOLDERS = [Path(folder) for folder in os.environ.get("PERKIE_PICTURES", "").split(os.pathsep) if folder]
LIMITS = ImageLimits(min_side=1, max_side=16_383)
LEVELS = 3  # in 99 % of the samples

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not FOLDERS, reason="PERKIE_PICTURES names no folder of other projects' pictures"),
]
pyvips: Any = pytest.importorskip("pyvips") if FOLDERS else None


def files() -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted(path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)


def by_pillow(data: bytes) -> np.ndarray:
    image: Image.Image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        raise ValueError("Pillow clips 16 bits at 255")
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("L", "RGB", "RGBA", "CMYK"):
        converted = ImageCms.profileToProfile(
            image,
            ImageCms.ImageCmsProfile(io.BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            outputMode="RGBA" if image.mode == "RGBA" else "RGB",
            flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
        assert converted is not None
        image = converted
    return np.asarray(image.convert("RGBA"))


def by_libvips(data: bytes) -> np.ndarray:
    image: Any = pyvips.Image.new_from_buffer(data, "", fail_on="none").autorot()
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", intent="relative", black_point_compensation=True, embedded=True)
    samples: np.ndarray = image.colourspace("srgb").cast("uchar").numpy()
    if not image.hasalpha():
        samples = np.dstack([samples.reshape(*samples.shape[:2], -1), np.full(samples.shape[:2], 255, np.uint8)])
    return np.dstack([samples[..., :1]] * 3 + [samples[..., -1:]]) if samples.shape[2] == 2 else samples


def warning_of_libvips(data: bytes) -> str:
    try:
        pyvips.Image.new_from_buffer(data, "", fail_on="warning").avg()
    except pyvips.Error as error:
        return str(error)
    return ""


def distance(ours: Raster, theirs: np.ndarray) -> float:
    """In levels, of what can be seen."""
    if theirs.shape[:2] != ours.rgb.shape[:2]:
        return 255
    alpha = with_alpha(ours).alpha
    assert alpha is not None
    seen = np.abs(ours.rgb.astype(int) - theirs[..., :3])[alpha > 0]
    return float(max(np.percentile(seen, 99) if seen.size else 0, np.abs(alpha.astype(int) - theirs[..., 3]).max()))


def peers_agree(raster: Raster, data: bytes) -> bool:
    """Whether one of them sees the same; also where none of them reads it."""
    distances = []
    for read in (by_libvips, by_pillow):
        try:
            distances.append(distance(raster, read(data)))
        except Exception:  # a peer may fail in any way
            continue
    return not distances or min(distances) <= LEVELS


def outcome(path: Path) -> str:
    """In a word; one that begins with FAIL is one."""
    data = path.read_bytes()
    try:
        decoded = codec.decode(data, LIMITS, path.name)
    except NotAnImage as error:
        return error.message.removeprefix(f"{path.name} is ")
    except BadInput as error:
        return f"refused: {type(error).__name__}"
    for kind in ImageFormat:
        codec.encode(decoded.raster, kind, MASTER_QUALITY)
    if decoded.notes:
        return f"noted: {decoded.notes[0].split(':')[0].split(' (')[0]}"
    if "Corrupt JPEG data: premature end" in warning_of_libvips(data):
        return "FAIL: silent damage"
    return "read" if peers_agree(decoded.raster, data) else "FAIL: other colours than all peers"


def test_other_projects_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    pillow_heif.register_heif_opener()
    outcomes = {path: outcome(path) for path in files()}
    with capsys.disabled():
        print()
        for word, count in collections.Counter(outcomes.values()).most_common():
            print(f"{count:6}  {word}")
    assert outcomes, "the folders are empty"
    assert [f"{path}: {word}" for path, word in outcomes.items() if word.startswith("FAIL")] == []
