"""An authenticated caller and its permissions."""

from __future__ import annotations

from enum import StrEnum

from perkie_cli.domain.errors import Forbidden
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.people.proof import Credential, Proof


class Scope(StrEnum):
    """What a credential can permit."""

    GENERATE = "generate"
    MATTING = "matting"
    STORAGE = "storage"
    METRICS = "metrics"
    ACT_AS = "act-as"
    NO_RATE_LIMIT = "no-rate-limit"


EVERYTHING = frozenset(scope.value for scope in Scope)
CUSTOMER = frozenset(
    {Scope.GENERATE.value, Scope.MATTING.value, Scope.STORAGE.value}
)  # the permissions of a shop's visitor


@frozen
class Principal:
    """``name`` identifies the caller within the server; it is never the credential itself."""

    name: str
    credential: Credential

    @property
    def log_name(self) -> str:
        """The name of an API key; of others the kind of credentials, because their name may be a customer's id."""
        return self.name if self.credential.proof is Proof.API_KEY else self.credential.proof.value

    def require(self, scope: Scope) -> None:
        """Checks that the caller's credential has the scope.

        Raises: Forbidden.
        """
        if scope not in self.credential.scopes:
            raise Forbidden(f"this credential has no {scope.value!r} scope", hint="Use a key that has it.")

    @property
    def rate_limited(self) -> bool:
        """Whether rate limits count its requests."""
        return Scope.NO_RATE_LIMIT not in self.credential.scopes


LOOPBACK = Principal("loopback", Credential(Proof.LOOPBACK, scopes=EVERYTHING))
