"""``gs://bucket/…`` as an input: an object, everything below a prefix, or a pattern."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from perkie_cli.batch.mark import OutputKind
from perkie_cli.batch.outputs.address import BUCKET, ObjectPath
from perkie_cli.batch.outputs.objects import kind_of
from perkie_cli.batch.photos.inputs import USUAL, Inputs, only_outputs
from perkie_cli.batch.photos.sources import BucketSource, InputFile
from perkie_cli.domain.errors import NoPhotos
from perkie_cli.ports import Buckets, RemoteObject


async def expand_bucket(address: str, buckets: Buckets, kind: OutputKind, *, recursive: bool) -> Inputs:
    """The pictures at the address: by their ending or content type. Outputs mirror the names below the prefix.

    Outputs of perkie are left out as in folders: those of the same ``kind``, those of the other one among photos.

    Raises: UsageError, NoPhotos, and the errors of ``ports.Buckets``.
    """
    place = ObjectPath.parse(address)
    path = address.removeprefix(BUCKET).partition("/")[2]
    pattern = glob.has_magic(path)
    prefix = "".join(_fixed(path)) if pattern else path
    listed = await buckets.list(place.bucket, prefix)
    if not pattern and (exact := [each for each in listed if each.name == path]):
        return Inputs([InputFile(BucketSource(exact[0], buckets), from_folder=True)])
    below = prefix if pattern or not prefix else prefix.removesuffix("/") + "/"
    chosen = [each for each in listed if each.name.startswith(below) and _is_picture(each)]
    if pattern:
        chosen = [each for each in chosen if fnmatch.fnmatchcase(each.name, path)]
    elif not recursive:
        chosen = [each for each in chosen if "/" not in each.name.removeprefix(below)]
    if not chosen:
        more = "" if recursive or pattern else " Use --recursive to search below it too."
        raise NoPhotos(f"{address} has no pictures", hint=f"Objects by ending or content type are read.{more}")
    made = {kind_of(each) for each in chosen}
    ours = frozenset(OutputKind) if None in made else {kind}
    found = Inputs(left_out=[ObjectPath.parse(each.uri) for each in chosen if kind_of(each) in ours])
    found.files = [_input(each, below, buckets) for each in chosen if kind_of(each) not in ours]
    if not found.files:
        raise only_outputs(len(found.left_out))
    return found


def _fixed(path: str) -> Iterator[str]:
    """The parts of a pattern, with their slashes, before the first with a wildcard."""
    parts: Sequence[str] = path.split("/")
    for part in parts[:-1]:
        if glob.has_magic(part):
            return
        yield f"{part}/"


def _is_picture(found: RemoteObject) -> bool:
    path = PurePosixPath(found.name)
    if path.name.startswith(".") or found.name.endswith("/"):
        return False
    return path.suffix.lower() in USUAL or found.content_type.startswith("image/")


def _input(found: RemoteObject, below: str, buckets: Buckets) -> InputFile:
    """One object. ``..`` in its name cannot lead an output out of its folder."""
    folder = PurePosixPath(found.name.removeprefix(below)).parent
    safe = PurePosixPath(*(part for part in folder.parts if part not in ("..", "/")))
    return InputFile(BucketSource(found, buckets), safe, from_folder=True)
