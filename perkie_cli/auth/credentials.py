"""The credentials in force, which can be read again while the server runs."""

from __future__ import annotations

from collections.abc import Callable

from perkie_cli.auth.authenticate import Authenticator


class Credentials:
    """Holds the authenticator; a new one replaces it as a whole, and requests in progress keep what they were given."""

    def __init__(self, current: Authenticator, read: Callable[[], Authenticator]) -> None:
        self.current = current
        self._read = read

    def reload(self) -> None:
        """Reads keys and secrets again. It may block. Raises: InvalidSetting and others; the old ones then stay."""
        self.current = self._read()
