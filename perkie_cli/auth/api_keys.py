"""Named API keys, kept as hashes.

The file is TOML, one table per key, as ``perkie keys create`` writes it::

    [[key]]
    name = "storefront"
    sha256 = "…"                      # of the key; the key itself is a long random string
    scopes = ["generate", "matting"]
    created = 2026-11-30T12:00:00Z    # optional
    expires = 2027-06-30T00:00:00Z    # optional
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perkie_cli.auth.principal import EVERYTHING, Principal
from perkie_cli.domain.errors import InvalidSetting, NotAuthorised
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.proof import Credential, Proof
from perkie_cli.domain.units import why_unread

_SHA256 = re.compile(r"[0-9a-f]{64}")
_ID_LENGTH = 12  # of the hash: enough to tell a shop's keys apart


@frozen
class ApiKey:
    """``sha256`` in hex. A plain hash is enough: keys are random, so dictionary attacks do not work."""

    name: str
    sha256: str
    scopes: frozenset[str]
    expires: datetime | None = None
    created: datetime | None = None

    @property
    def id(self) -> str:
        """What tells this key from another of the same name, and gives nothing away."""
        return self.sha256[:_ID_LENGTH]

    def expired(self, now: datetime) -> bool:
        """Whether it no longer opens anything."""
        return self.expires is not None and now >= self.expires


class KeyRing:
    """The keys that a server knows, and when each was last presented since ``uses`` was asked."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)
        self._uses: dict[str, datetime] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The keys' names."""
        return tuple(key.name for key in self._keys)

    def authenticate(self, presented: str, now: datetime) -> Principal:
        """The caller that holds this key. Compares with every key in constant time.

        Raises: NotAuthorised.
        """
        digest = hashlib.sha256(presented.encode()).hexdigest()
        found = [key for key in self._keys if hmac.compare_digest(key.sha256, digest)]
        if not found:
            raise NotAuthorised("the API key is not known")
        key = found[0]
        if key.expired(now):
            raise NotAuthorised("the API key has expired")
        self._uses[key.id] = now
        return Principal(key.name, Credential(Proof.API_KEY, scopes=key.scopes))

    def take_uses(self) -> Mapping[str, datetime]:
        """When keys were last used, by id, since the last call of this."""
        uses, self._uses = self._uses, {}
        return uses


def load_keys(path: Path) -> KeyRing:
    """Reads the keys of a server. Raises: as ``read_keys``."""
    return KeyRing(read_keys(path))


def read_keys(path: Path) -> list[ApiKey]:
    """Reads the keys from a TOML file.

    Raises: InvalidSetting naming the file and the key.
    """
    try:
        return parse_keys(path.read_text("utf-8"), path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSetting(f"API key file {path} cannot be read: {why_unread(error)}") from error


def parse_keys(text: str, path: Path) -> list[ApiKey]:
    """The keys in the text of the file ``path``. Raises: as ``read_keys``."""
    try:
        tables = tomllib.loads(text).get("key", [])
    except tomllib.TOMLDecodeError as error:
        raise InvalidSetting(f"API key file {path} cannot be read: {why_unread(error)}") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidSetting(f"API key file {path}: keys are tables, each under [[key]]")
    return [_key(path, table) for table in tables]


def _key(path: Path, table: dict[str, Any]) -> ApiKey:
    name, digest, scopes = table.get("name"), table.get("sha256"), table.get("scopes")
    if not isinstance(name, str) or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise InvalidSetting(f"API key file {path}: each key needs a name and its sha256 in lower-case hex")
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= EVERYTHING:
        raise InvalidSetting(
            f"API key file {path}: the scopes of {name!r} are not from {', '.join(sorted(EVERYTHING))}"
        )
    times = {field: _time(path, name, field, table.get(field)) for field in ("expires", "created")}
    return ApiKey(name, digest, frozenset(scopes), **times)


def _time(path: Path, name: str, field: str, value: object) -> datetime | None:
    if value is not None and not isinstance(value, datetime):
        raise InvalidSetting(f"API key file {path}: {field} of {name!r} is not a date and time")
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
