"""Changes to the file of API keys. What people wrote around the keys, such as comments, stays."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from perkie_cli.auth.api_keys import ApiKey, parse_keys
from perkie_cli.auth.principal import EVERYTHING
from perkie_cli.domain.errors import InvalidParameter, UsageError
from perkie_cli.domain.frozen import frozen

VALID_AT_ONCE = 2  # of one name: the new key and the old one, until every client has the new one
_PREFIX = "pk_"  # lets scanners for leaked secrets find it
_RANDOM_BYTES = 32


@frozen
class NewKey:
    """A key that was just made: the only time that ``secret`` is known. ``text``: the whole file with it."""

    key: ApiKey
    secret: str
    text: str


def with_new_key(
    text: str, path: Path, name: str, scopes: Sequence[str], now: datetime, expires: datetime | None
) -> NewKey:
    """The file's text with a new random key.

    Raises: InvalidSetting for a broken file, InvalidParameter, UsageError for a third valid key of that name.
    """
    _check(name, scopes, now, expires)
    valid = [key for key in parse_keys(text, path) if key.name == name and not key.expired(now)]
    if len(valid) >= VALID_AT_ONCE:
        raise UsageError(
            f"{name!r} already has {len(valid)} valid keys: {', '.join(key.id for key in valid)}",
            hint=f"Revoke the older one first: perkie keys revoke {name} --id {valid[0].id}",
        )
    secret = _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)
    digest = hashlib.sha256(secret.encode()).hexdigest()
    key = ApiKey(name, digest, frozenset(scopes), expires, now.replace(microsecond=0))
    return NewKey(key, secret, _appended(text, key))


def without_key(text: str, path: Path, key: ApiKey) -> str:
    """The file's text without that key.

    Raises: InvalidSetting for a broken file.
    """
    import tomlkit

    place = [each.sha256 for each in parse_keys(text, path)].index(key.sha256)
    document = tomlkit.parse(text)
    del document["key"][place]
    return tomlkit.dumps(document)


def _check(name: str, scopes: Sequence[str], now: datetime, expires: datetime | None) -> None:
    if not name or len(name) > 64 or not name.isprintable() or name != name.strip():
        raise InvalidParameter(f"{name[:70]!r} cannot name a key", hint="Use up to 64 printable characters.")
    if unknown := sorted(set(scopes) - EVERYTHING):
        raise InvalidParameter(
            f"unknown scope {unknown[0]!r}", hint=f"Scopes: {', '.join(sorted(EVERYTHING))}; several are repeated."
        )
    if not scopes:
        raise UsageError("a key needs at least one --scope", hint=f"Scopes: {', '.join(sorted(EVERYTHING))}.")
    if expires is not None and expires <= now:
        raise InvalidParameter("--expires lies in the past")


def _appended(text: str, key: ApiKey) -> str:
    """Written as text: the rest of the file stays as it is, byte for byte."""
    import tomlkit

    table = tomlkit.table()
    table.add("name", key.name)
    table.add("sha256", key.sha256)
    table.add("scopes", sorted(key.scopes))
    table.add("created", key.created)
    if key.expires is not None:
        table.add("expires", key.expires)
    lines = [text.rstrip("\n"), ""] if text.strip() else []
    return "\n".join([*lines, "[[key]]", tomlkit.dumps(table)])
