"""One of several parts of a run, each of which runs somewhere else.

A photo's part follows from its path or address alone: no part reads another's photos, and a manifest may be sorted
anew. A photo that moves may change its part; the cache then still knows what was drawn of it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping

from perkie_cli.domain.errors import InvalidParameter
from perkie_cli.domain.frozen import frozen

INDEX, COUNT = "CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"
"""Set for each task of a Cloud Run job: https://cloud.google.com/run/docs/container-contract#jobs-env-vars"""


@frozen
class Shard:
    """Part ``index`` of ``count``, from 0."""

    index: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Reads ``I/N``. Raises: InvalidParameter."""
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        if found is None:
            raise InvalidParameter(f"--shard: {text!r} is not I/N, such as 0/4")
        return cls._checked(int(found[1]), int(found[2]), f"--shard {text}")

    @classmethod
    def of_task(cls, environ: Mapping[str, str]) -> Shard | None:
        """The part of a task of a Cloud Run job; None elsewhere, and for a job of one task.

        Raises: InvalidParameter.
        """
        index, count = environ.get(INDEX), environ.get(COUNT)
        if not index or not count:
            return None
        if not (index.isascii() and index.isdigit() and count.isascii() and count.isdigit()):
            raise InvalidParameter(f"{INDEX}={index} and {COUNT}={count} are not two numbers")
        shard = cls._checked(int(index), int(count), f"{INDEX}={index} of {COUNT}={count}")
        return shard if shard.count > 1 else None

    @classmethod
    def chosen(cls, text: str | None, environ: Mapping[str, str] = os.environ) -> Shard | None:
        """What was typed, else the part of this task, else None. Raises: InvalidParameter."""
        return cls.of_task(environ) if text is None else cls.parse(text)

    @classmethod
    def _checked(cls, index: int, count: int, said: str) -> Shard:
        if index >= count:
            parts = f"0/{count} to {count - 1}/{count}" if count else "0/N to N-1/N"
            raise InvalidParameter(f"{said}: there is no such part", hint=f"They are counted from 0: {parts}.")
        return cls(index, count)

    def takes(self, name: str) -> bool:
        """Whether the photo of that path or address is in this part."""
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        return int.from_bytes(digest[:8]) % self.count == self.index

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"
