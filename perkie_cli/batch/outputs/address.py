"""The address of an object as a path, so that outputs are named the same way in a folder and in a bucket."""

from __future__ import annotations

from pathlib import PurePosixPath

from perkie_cli.domain.errors import UsageError

BUCKET = "gs://"


class ObjectPath(PurePosixPath):
    """``gs://bucket/name``: the first part is the bucket."""

    @classmethod
    def parse(cls, address: str) -> ObjectPath:
        """Reads an address. Raises: UsageError without a bucket."""
        path = cls(address.removeprefix(BUCKET).lstrip("/") if address.startswith(BUCKET) else address)
        if not path.parts or path.is_absolute():
            raise UsageError(f"{address} names no bucket", hint="Addresses look like gs://bucket/folder/.")
        return path

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.parts[0]

    @property
    def object(self) -> str:
        """The object's name in it."""
        return "/".join(self.parts[1:])

    def __str__(self) -> str:
        return f"{BUCKET}{super().__str__()}"
