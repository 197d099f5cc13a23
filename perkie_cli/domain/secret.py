"""Values that must not be shown."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_FILE = "file://"
_REFERENCES = (_FILE, "sm://")
# What is before an address's host; also with an @ or a / in the password, unless that / follows a port.
_USER = re.compile(r"(://)(?:[^/?#\s]*|[^/?#\s]*:(?!\d{1,5}/)[^?#\s]*)@")
_QUERY = re.compile(r"(?i)([?&][^=&\s]*(?:key|token|secret|sig|signature|passw|password|credential)=)[^&#\s'\"]+")


def masked(text: str) -> str:
    """The text without the user names, passwords and keys in its addresses."""
    if "://" not in text:
        return text
    return _QUERY.sub(r"\1****", _USER.sub(r"\1****@", text))


class Secret:
    """Holds a secret. Only ``reveal`` returns it, so that it cannot leak into logs, tracebacks or ``config show``."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself."""
        return self._value

    @property
    def file(self) -> Path | None:
        """The file that holds it, if it is a reference such as ``file:///run/secrets/NAME``."""
        return Path(self._value.removeprefix(_FILE)) if self._value.startswith(_FILE) else None

    @property
    def reference(self) -> str | None:
        """Where it is kept, which is no secret, if it is a reference: ``file:///…`` or ``sm://…``."""
        return self._value if self._value.startswith(_REFERENCES) else None

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that tell it from another one: the beginning of its SHA-256."""
        return hashlib.sha256(self._value.encode()).hexdigest()[:8]

    def __repr__(self) -> str:
        return "Secret(****)"

    def __str__(self) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)
