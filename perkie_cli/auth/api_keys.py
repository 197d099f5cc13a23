"""Named API keys, kept as hashes.

The file is TOML, one table per key::

    [[key]]
    name = "storefront"
    sha256 = "…"                      # of the key; the key itself is a long random string
    scopes = ["generate", "matting"]
    expires = 2027-06-30T00:00:00Z    # optional
"""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from perkie_cli.auth.principal import EVERYTHING, Principal
from perkie_cli.domain.errors import InvalidSetting, NotAuthorised
from perkie_cli.domain.people.proof import Credential, Proof
from perkie_cli.domain.units import why_unread

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """``sha256`` in hex. A plain hash is enough: keys are random, so dictionary attacks do not work."""

    name: str
    sha256: str
    scopes: frozenset[str]
    expires: datetime | None = None


class KeyRing:
    """The keys that a server knows."""

    def __init__(self, keys: Iterable[ApiKey]) -> None:
        self._keys = tuple(keys)

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
        if key.expires is not None and now >= key.expires:
            raise NotAuthorised("the API key has expired")
        return Principal(key.name, Credential(Proof.API_KEY, scopes=key.scopes))


def load_keys(path: Path) -> KeyRing:
    """Reads the keys from a TOML file.

    Raises: InvalidSetting naming the file and the key.
    """
    try:
        tables = tomllib.loads(path.read_text("utf-8")).get("key", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSetting(f"API key file {path} cannot be read: {why_unread(error)}") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidSetting(f"API key file {path}: keys are tables, each under [[key]]")
    return KeyRing([_key(path, table) for table in tables])


def _key(path: Path, table: dict[str, Any]) -> ApiKey:
    name, digest, scopes = table.get("name"), table.get("sha256"), table.get("scopes")
    if not isinstance(name, str) or not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise InvalidSetting(f"API key file {path}: each key needs a name and its sha256 in lower-case hex")
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= EVERYTHING:
        raise InvalidSetting(
            f"API key file {path}: the scopes of {name!r} are not from {', '.join(sorted(EVERYTHING))}"
        )
    expires = table.get("expires")
    if expires is not None and not isinstance(expires, datetime):
        raise InvalidSetting(f"API key file {path}: expires of {name!r} is not a date and time")
    if expires is not None and expires.tzinfo is None:
        expires = expires.replace(tzinfo=UTC)
    return ApiKey(name, digest, frozenset(scopes), expires)
