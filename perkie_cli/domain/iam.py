"""Google Cloud's permissions: who may do what with which resource, and the commands that change it."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from perkie_cli.domain.frozen import frozen

EVERYBODY = ("allUsers", "allAuthenticatedUsers")
Members = Mapping[str, Sequence[str]]  # the roles of each member of a policy


def members_of(bindings: Iterable[Mapping[str, Any]]) -> Members:
    """Turns a policy's bindings round."""
    found: dict[str, list[str]] = {}
    for binding in bindings:
        for member in binding.get("members", ()):
            found.setdefault(member, []).append(binding["role"])
    return found


class Kind(StrEnum):
    """What has a policy of its own."""

    PROJECT = "project"
    BUCKET = "bucket"
    SECRET = "secret"  # noqa: S105  # a kind, no secret
    ACCOUNT = "account"


@frozen
class Resource:
    """``name``: of a project its id, of a secret ``projects/P/secrets/S``, of a service account its address."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"gs://{self.name}" if self.kind is Kind.BUCKET else f"the {self.kind} {self.name}"

    def grant(self, member: str, role: str) -> str:
        """The command that gives the role, whatever the account has already."""
        condition = ("--condition=None",) if self.kind is Kind.PROJECT else ()
        return shlex.join([*self._policy_of("add"), f"--member={member}", f"--role={role}", *condition])

    def revoke(self, member: str, role: str) -> str:
        """The command that takes the role away, with and without conditions."""
        return shlex.join([*self._policy_of("remove"), f"--member={member}", f"--role={role}", "--all"])

    def roles_of(self, member: str) -> str:
        """The command that lists the roles which this resource's own policy gives to the member."""
        words = [*self._policy_of("get"), "--flatten=bindings[].members", f"--filter=bindings.members:{member}"]
        return shlex.join([*words, "--format=value(bindings.role)"])

    def _policy_of(self, verb: str) -> Sequence[str]:
        call = "get-iam-policy" if verb == "get" else f"{verb}-iam-policy-binding"
        match self.kind:
            case Kind.PROJECT:
                return ("gcloud", "projects", call, self.name)
            case Kind.BUCKET:
                return ("gcloud", "storage", "buckets", call, f"gs://{self.name}")
            case Kind.SECRET:
                _, project, _, secret = self.name.split("/")
                return ("gcloud", "secrets", call, secret, f"--project={project}")
            case Kind.ACCOUNT:
                return ("gcloud", "iam", "service-accounts", call, self.name)


@frozen
class Caller:
    """Whose credentials these are. ``account``: the address of a service account, None for a person's login.

    ``signs``: they hold a private key. ``project``: the one that they come with.
    """

    account: str | None
    signs: bool
    project: str | None

    @property
    def member(self) -> str:
        """As policies name it."""
        return f"serviceAccount:{self.account}"


@frozen
class AccountKey:
    """A key of a service account that somebody downloaded."""

    id: str
    made: datetime
