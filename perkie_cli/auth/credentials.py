"""The credentials in force, which can be read again while the server runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from perkie_cli.auth.authenticate import Authenticator


class Credentials:
    """Holds the authenticator; a new one replaces it as a whole, and requests in progress keep what they were given.

    ``files``: those that the credentials stand in.
    """

    def __init__(self, current: Authenticator, read: Callable[[], Authenticator], files: Sequence[Path] = ()) -> None:
        self.current = current
        self._read = read
        self._files = files
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether a file has changed since this was asked last. Blocks."""
        seen, self._seen = self._seen, self._look()
        return seen != self._seen

    def _look(self) -> list[tuple[int, int, int] | None]:
        return [_signature(path) for path in self._files]

    def reload(self) -> None:
        """Reads keys and secrets again. It may block. Raises: InvalidSetting and others; the old ones then stay."""
        self.current = self._read()


def _signature(path: Path) -> tuple[int, int, int] | None:
    """What changes with the file, also behind the links of a mounted secret; None: it cannot be read now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
