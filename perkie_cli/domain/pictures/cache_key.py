"""Content addresses: the storage key of a picture follows from its input bytes, style and recipe."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import field

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.identity import Owner

HASH_LENGTH = 64
FINGERPRINT_LENGTH = 12
MAX_KEY_LENGTH = 512
# Folders have no dot and file names exactly one: a key cannot escape its folder or be the folder of another key.
_KEY = re.compile(r"(?:[A-Za-z0-9_-]{1,200}/)*[A-Za-z0-9_-]{1,200}\.[A-Za-z0-9]{1,10}")


def content_hash(data: bytes) -> str:
    """SHA-256 of the uploaded bytes, in hex. 1 MB takes about 0.6 ms."""
    return hashlib.sha256(data).hexdigest()


@frozen
class Recipe:
    """Everything that decides how a picture looks, apart from the input bytes."""

    engine: str
    model: str
    version: str
    parameters: Mapping[str, object] = field(default_factory=dict)

    def with_cutout(self, fingerprint: str | None) -> Recipe:
        """This recipe applied to a cut-out with that recipe ``fingerprint``; None: not cut out."""
        if fingerprint is None:
            return self
        return Recipe(self.engine, self.model, self.version, {**self.parameters, "cutout": fingerprint})

    @property
    def fingerprint(self) -> str:
        """The first 12 hex digits of a SHA-256 over the canonical JSON of the recipe."""
        plain = json.dumps(
            [self.engine, self.model, self.version, self.parameters], sort_keys=True, separators=(",", ":"), default=str
        )
        return hashlib.sha256(plain.encode()).hexdigest()[:FINGERPRINT_LENGTH]


@frozen
class CacheKey:
    """One generated picture: the hash of the upload, the style's id and the recipe's fingerprint."""

    hash: str
    style: str
    fingerprint: str

    @property
    def name(self) -> str:
        """The object's file name without an extension."""
        return f"{self.hash}_{self.style}_{self.fingerprint}"

    def owned(self, owner: Owner, extension: str = "jpg") -> str:
        """The key of the owner's own copy; it has its own lifetime."""
        return f"generated/{owner.folder}/{self.name}.{extension}"

    def shared(self, extension: str = "jpg") -> str:
        """The key of the shared copy, which serves anyone who uploads the same bytes."""
        return f"shared/{self.hash[:2]}/{self.name}.{extension}"


def original_key(owner: Owner, hash_: str, extension: str) -> str:
    """The key of an upload: named by the hash of the uploaded bytes, stored with metadata stripped."""
    return f"originals/{owner.folder}/{hash_}.{extension}"


def cutout_key(hash_: str, fingerprint: str) -> str:
    """The key of a cut-out."""
    return f"cutouts/{hash_[:2]}/{hash_}_{fingerprint}.png"


def names_owner(key: str) -> bool:
    """Whether the key contains the id of a customer or session."""
    return key.startswith(("generated/", "originals/"))


def check_key(key: str) -> str:
    """Returns the key if every store can hold it.

    Raises: InvalidParameter.
    """
    if not is_key(key):
        raise InvalidParameter(f"{key[:80]!r} is not a storage key", hint="Keys look like folder/name.jpg.")
    return key


def is_key(name: str) -> bool:
    """Whether every store can hold an object of that name."""
    return len(name) <= MAX_KEY_LENGTH and _KEY.fullmatch(name) is not None


def parse_name(key: str) -> tuple[str, str]:
    """The upload's hash and the style's id that a key names; the style is empty for uploads and cut-outs."""
    stem = key.rpartition("/")[2].rpartition(".")[0]
    hash_, _, rest = stem.partition("_")
    return hash_, rest.rpartition("_")[0]
