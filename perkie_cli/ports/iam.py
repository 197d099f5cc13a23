"""What Google Cloud lets these credentials do."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from perkie_cli.domain.iam import AccountKey, Caller, Members, Resource


class Access(Protocol):
    """Only questions: nothing is changed. All raise MissingCredentials, WrongCredentials and Unavailable."""

    async def caller(self) -> Caller:
        """Whose credentials these are."""

    async def allowed(self, resource: Resource, permissions: Collection[str]) -> frozenset[str]:
        """Those of the permissions that the caller has there, in whatever way. Raises: NotFound, Forbidden."""

    async def members(self, resource: Resource) -> Members:
        """The resource's own policy, without what groups, folders and the organisation give. Raises: Forbidden."""

    async def keys(self, account: str) -> Sequence[AccountKey]:
        """The keys that were made for a service account. Raises: NotFound, Forbidden."""
