"""A caller whose credential was checked, and what it may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from perkie_cli.domain.errors import Forbidden
from perkie_cli.domain.people.proof import Credential, Proof


class Scope(StrEnum):
    """What a credential may be good for."""

    GENERATE = "generate"
    MATTING = "matting"
    STORAGE = "storage"
    METRICS = "metrics"
    ACT_AS = "act-as"
    NO_RATE_LIMIT = "no-rate-limit"


EVERYTHING = frozenset(scope.value for scope in Scope)
CUSTOMER = frozenset({Scope.GENERATE.value, Scope.MATTING.value, Scope.STORAGE.value})  # what a shop's visitor does


@dataclass(frozen=True, slots=True)
class Principal:
    """``name`` is what logs and audit records call it; never the credential itself."""

    name: str
    credential: Credential

    def require(self, scope: Scope) -> None:
        """Lets the caller pass where its credential has that scope.

        Raises: Forbidden.
        """
        if scope not in self.credential.scopes:
            raise Forbidden(f"this credential has no {scope.value!r} scope", hint="Use a key that has it.")

    @property
    def rate_limited(self) -> bool:
        """Whether rate limits count its requests."""
        return Scope.NO_RATE_LIMIT not in self.credential.scopes


LOOPBACK = Principal("loopback", Credential(Proof.LOOPBACK, scopes=EVERYTHING))
