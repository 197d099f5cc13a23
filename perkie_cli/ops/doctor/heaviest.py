"""What takes most of a disk: a walk with a time limit that stays on that disk."""

from __future__ import annotations

import os
import time
from collections import defaultdict, deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 1.0
MOST = 0.5  # share of a folder that one thing in it must have to be named in its place


@dataclass(slots=True)
class Usage:
    """Bytes on disk below ``root`` by file and folder, and what each folder holds; not all where the time was over."""

    root: Path
    sizes: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    inside: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def of(self, path: Path) -> int:
        """The bytes of a file or folder."""
        return self.sizes.get(str(path), 0)

    @property
    def largest(self) -> Path:
        """The file or folder that has the most, as deep as one thing has half of its folder; else the root."""
        found = str(self.root)
        while each := self.inside.get(found):
            most = max(each, key=lambda one: self.sizes[one])
            if self.sizes[most] < MOST * self.sizes[found]:
                break
            found = most
        return Path(found)


def usage(root: Path, seconds: float = SECONDS) -> Usage:
    """Walks breadth first, so that every corner is seen before the time is over. Blocks.

    Links are not followed, other disks not entered; what may not be read counts nothing.
    """
    found, end = Usage(root), time.monotonic() + seconds
    device, folders = root.stat().st_dev, deque[tuple[str, ...]]([(str(root),)])
    while folders and time.monotonic() < end:
        place = folders.popleft()
        with suppress(OSError), os.scandir(place[-1]) as entries:
            for entry in entries:
                facts = entry.stat(follow_symlinks=False)
                if facts.st_dev != device:
                    continue
                found.inside[place[-1]].append(entry.path)
                for each in (*place, entry.path):
                    found.sizes[each] += facts.st_blocks * 512
                if entry.is_dir(follow_symlinks=False):
                    folders.append((*place, entry.path))
    return found
