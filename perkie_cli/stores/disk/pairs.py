"""Photos and true mattes in a folder: ``photos/NAME.jpg`` and ``mattes/NAME.png``, or ``NAME_matte.png`` next to it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from perkie_cli.domain.errors import UnreadableFile
from perkie_cli.ports import Pair

_PHOTOS, _MATTES = ("photos", "images", "im"), ("mattes", "masks", "gt", "alpha")
_ENDING = "_matte"
_NAMED = 10  # files in one message
_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")


class DiskPairs:
    """``ports.PairStore`` over folders."""

    def pairs(self, folder: Path) -> Sequence[Pair]:
        """All pairs, ordered by the photos' names."""
        photos, mattes = (_first(folder, names) for names in (_PHOTOS, _MATTES))
        separate = photos is not None and mattes is not None
        truths = {
            each.stem.removesuffix(_ENDING): each for each in _pictures(mattes if separate and mattes else folder)
        }
        found, bare = [], []
        for photo in _pictures(photos if separate and photos else folder):
            if photo.stem.endswith(_ENDING) and not separate:
                continue
            truth = truths.get(photo.stem)
            if truth is None or truth == photo:
                bare.append(photo)
            else:
                found.append(Pair(photo, truth))
        if bare:
            raise _without_matte(bare, mattes if separate else None)
        if not found:
            raise UnreadableFile(
                f"{folder} has no photos with true mattes",
                hint="Give photos/ and mattes/ with the same names, or NAME.jpg with NAME_matte.png.",
            )
        return found

    def read(self, path: Path) -> bytes:
        """The file's bytes."""
        try:
            return path.read_bytes()
        except OSError as error:
            raise UnreadableFile(f"{path} cannot be read: {error.strerror}") from error


def _without_matte(photos: Sequence[Path], mattes: Path | None) -> UnreadableFile:
    first, others = photos[0], [each.name for each in photos[1:]]
    named = ", ".join(others[:_NAMED]) + (f" and {len(others) - _NAMED} more" if len(others) > _NAMED else "")
    place = f"next to it as {first.stem}{_ENDING}.png" if mattes is None else f"into {mattes} as {first.stem}.png"
    return UnreadableFile(
        f"{first} has no true matte" + (f"; nor has {named}" if others else ""), hint=f"Put the matte {place}."
    )


def _first(folder: Path, names: Sequence[str]) -> Path | None:
    return next((folder / name for name in names if (folder / name).is_dir()), None)


def _pictures(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in folder.iterdir() if each.suffix.lower() in _SUFFIXES)
    except OSError as error:
        raise UnreadableFile(f"{folder} cannot be read: {error.strerror}") from error
