"""Buckets that no command deletes in, or changes the lifecycle of, by accident."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perkie_cli.domain.errors import ProtectedBucket


@dataclass(frozen=True, slots=True)
class Protection:
    """``buckets`` by name; ``actor`` stands in the audit records of what is done all the same."""

    buckets: Sequence[str] = ()
    actor: str = "perkie"

    def permit(self, store: str, acknowledged: str | None) -> None:
        """Lets a change of ``store`` (``gs://bucket``) pass if it is not protected or its name was repeated.

        Raises: ProtectedBucket.
        """
        bucket = store.removeprefix("gs://")
        if bucket in self.buckets and acknowledged != bucket:
            raise ProtectedBucket(
                f"{store} is a protected bucket; nothing was changed",
                hint=f"Give --i-know-this-is-protected {bucket} if you are sure.",
            )
