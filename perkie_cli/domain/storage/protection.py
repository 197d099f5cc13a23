"""Bucket names, and protected buckets: no command deletes in them or changes their lifecycle by accident."""

from __future__ import annotations

import re
from collections.abc import Sequence

from perkie_cli.domain.errors import InvalidSetting, ProtectedBucket
from perkie_cli.domain.frozen import frozen

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")  # https://docs.cloud.google.com/storage/docs/buckets#naming


def bucket_name(text: str) -> str:
    """The bare name from ``NAME`` or ``gs://NAME/``.

    Raises: InvalidSetting.
    """
    name = text.removeprefix("gs://").removesuffix("/")
    if not _BUCKET.fullmatch(name):
        raise InvalidSetting(
            f"{text[:80]!r} is not the name of a bucket",
            hint="Names are 3 to 222 lower-case letters, digits, '-', '_' and '.'.",
        )
    return name


@frozen
class Protection:
    """``buckets``: names; ``actor``: who the audit records name when a protected bucket is changed after all."""

    buckets: Sequence[str] = ()
    actor: str = "perkie"

    def permit(self, store: str, acknowledged: str | None) -> None:
        """Allows a change of ``store`` (``gs://bucket``) if it is not protected or the user repeated its name.

        Raises: ProtectedBucket.
        """
        bucket = store.removeprefix("gs://")
        if bucket in self.buckets and acknowledged != bucket:
            raise ProtectedBucket(
                f"{store} is a protected bucket; nothing was changed",
                hint=f"Give --i-know-this-is-protected {bucket} if you are sure.",
            )
