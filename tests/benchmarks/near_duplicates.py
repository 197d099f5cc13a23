"""Bits apart of photos and their transformed twins, and of different photos: what a threshold lets through."""

import argparse
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageEnhance

from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging.near_hash import bits_apart, near_hash
from tests.benchmarks.harness import Report

LIMITS = ImageLimits(min_side=64)
LONG_SIDE = 1024
THRESHOLDS = (8, 16, 24, 32, 48, 64)


def resized(picture: Image.Image, factor: float) -> Image.Image:
    return picture.resize([max(1, round(side * factor)) for side in picture.size], Image.Resampling.LANCZOS)


def cropped(picture: Image.Image, share: float, left: float = 0.5) -> Image.Image:
    """Keeps that share of both sides; ``left``: how much of the rest is cut off on the left and top."""
    width, height = (round(side * share) for side in picture.size)
    x, y = (round((side - kept) * left) for side, kept in zip(picture.size, (width, height), strict=True))
    return picture.crop((x, y, x + width, y + height))


TWINS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "half the size": lambda p: resized(p, 0.5),
    "a quarter of the size": lambda p: resized(p, 0.25),
    "JPEG quality 50": lambda p: p,
    "brighter by 15 %": lambda p: ImageEnhance.Brightness(p).enhance(1.15),
    "contrast less 15 %": lambda p: ImageEnhance.Contrast(p).enhance(0.85),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "cropped by 2 %": lambda p: cropped(p, 0.98),
    "cropped by 5 %": lambda p: cropped(p, 0.95),
    "turned by 1°": lambda p: cropped(p.rotate(1, Image.Resampling.BICUBIC), 0.96),
}
OTHERS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": lambda p: p.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
    "other half of the same photo": lambda p: cropped(p, 0.6, left=1.0),
}


def run(argv: Sequence[str]) -> Report:
    parser = argparse.ArgumentParser(prog="near_duplicates")
    parser.add_argument("--photos", type=Path, action="append", help="folder of photos; may be given several times")
    folders = parser.parse_args(argv).photos or [Path("examples/photos")]
    photos = dict(_photos(folders))
    hashes = {name: _hash(photo) for name, photo in photos.items()}
    twins = {
        name: [
            bits_apart(hashes[each], _hash(twin(photo), 50 if "JPEG" in name else 85)) for each, photo in photos.items()
        ]
        for name, twin in TWINS.items()
    }
    others = {
        name: [bits_apart(_hash(cropped(photo, 0.6, 0.0)) if "half" in name else hashes[each], _hash(other(photo)))
               for each, photo in photos.items()]
        for name, other in OTHERS.items()
    }  # fmt: skip
    others["different photos"] = [bits_apart(*pair) for pair in itertools.combinations(hashes.values(), 2)]
    report = Report("near_duplicates", notes=[f"{len(photos)} photos: {', '.join(photos)}"])
    for kind, cases in (("twin", twins), ("other", others)):
        report.rows += [_row(kind, name, bits) for name, bits in cases.items()]
    return report


def _row(kind: str, name: str, bits: Sequence[int]) -> dict[str, object]:
    taken = {f"≤{most}": f"{sum(b <= most for b in bits) / len(bits):.0%}" for most in THRESHOLDS}
    ordered = sorted(bits)
    return {
        "kind": kind, "pair": name, "pairs": len(bits), "least": ordered[0], "median": ordered[len(bits) // 2],
        "most": ordered[-1], **taken,
    }  # fmt: skip


def _photos(folders: Sequence[Path]) -> Iterator[tuple[str, Image.Image]]:
    for path in sorted(path for folder in folders for path in folder.iterdir()):
        if path.suffix.lower() in (".jpg", ".jpeg", ".png"):
            with Image.open(path) as opened:
                picture = opened.convert("RGB")
            if min(picture.size) >= 256:
                yield path.name, resized(picture, min(1.0, LONG_SIDE / max(picture.size)))


def _hash(picture: Image.Image, quality: int = 92) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return near_hash(buffer.getvalue(), LIMITS)
