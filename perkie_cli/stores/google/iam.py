"""``ports.iam.Access`` by Google's REST APIs; four client libraries would answer the same four questions.

https://docs.cloud.google.com/resource-manager/reference/rest/v1/projects/testIamPermissions (no permission is needed)
https://docs.cloud.google.com/storage/docs/json_api/v1/buckets/testIamPermissions
https://docs.cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts.keys/list
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from perkie_cli.domain.errors import Forbidden, NotFound, Unavailable, WrongCredentials
from perkie_cli.domain.iam import AccountKey, Caller, Kind, Members, Resource, members_of
from perkie_cli.ports import Workers
from perkie_cli.stores.google.login import LOGIN, missing_credentials

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from requests import Response

EMULATOR = "CLOUD_IAM_EMULATOR_HOST"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TIMEOUT = 10.0  # seconds for one call
HOSTS = {
    Kind.PROJECT: "https://cloudresourcemanager.googleapis.com",
    Kind.SECRET: "https://secretmanager.googleapis.com",
    Kind.ACCOUNT: "https://iam.googleapis.com",
    Kind.BUCKET: "https://storage.googleapis.com",
}
_PATHS = {
    Kind.PROJECT: "/v1/projects/{}",
    Kind.SECRET: "/v1/{}",
    Kind.ACCOUNT: "/v1/projects/-/serviceAccounts/{}",
    Kind.BUCKET: "/storage/v1/b/{}/iam",
}
_POLICY_VERSION = 3  # with conditions


class GoogleAccess:
    """See ``ports.iam.Access``. ``storage``: another address of Cloud Storage, which must be an emulator's.

    To emulators it sends no token of Google's, only the account's name.
    """

    def __init__(self, workers: Workers, environ: Mapping[str, str] = os.environ, storage: str | None = None) -> None:
        self._workers = workers
        self._emulator = environ.get(EMULATOR)
        self._storage = storage

    async def caller(self) -> Caller:
        """See the port."""
        return await self._workers.run(self._caller)

    async def allowed(self, resource: Resource, permissions: Collection[str]) -> frozenset[str]:
        """See the port."""
        return await self._workers.run(self._allowed, resource, permissions)

    async def members(self, resource: Resource) -> Members:
        """See the port."""
        return await self._workers.run(self._members, resource)

    async def keys(self, account: str) -> Sequence[AccountKey]:
        """See the port."""
        return await self._workers.run(self._keys, account)

    # ------------------------------------------------------------ calls, in threads

    @cached_property
    def _login(self) -> tuple[Credentials, str | None]:
        import google.auth
        from google.auth.exceptions import GoogleAuthError

        try:
            found: tuple[Credentials, str | None] = google.auth.default(scopes=SCOPES)
        except GoogleAuthError as error:
            raise missing_credentials("Google Cloud", error) from error
        return found

    def _caller(self) -> Caller:
        from google.auth import compute_engine
        from google.oauth2 import service_account

        credentials, project = self._login
        if isinstance(credentials, compute_engine.Credentials) and credentials.service_account_email == "default":
            self._refresh(credentials)  # only then it knows its name
        account = getattr(credentials, "service_account_email", None)
        return Caller(account, isinstance(credentials, service_account.Credentials), project)

    def _refresh(self, credentials: Credentials) -> None:
        from google.auth.exceptions import GoogleAuthError
        from google.auth.transport.requests import Request

        try:
            credentials.refresh(Request())  # type: ignore[no-untyped-call]  # google-auth has no types there
        except GoogleAuthError as error:
            raise Unavailable("Google's metadata server does not answer") from error

    def _allowed(self, resource: Resource, permissions: Collection[str]) -> frozenset[str]:
        asked = sorted(permissions)
        if resource.kind is Kind.BUCKET:
            found = self._call("GET", resource, "/testPermissions", params=[("permissions", each) for each in asked])
        else:
            found = self._call("POST", resource, ":testIamPermissions", json={"permissions": asked})
        return frozenset(found.get("permissions", ()))

    def _members(self, resource: Resource) -> Members:
        if resource.kind is Kind.BUCKET:
            policy = self._call("GET", resource, "", params={"optionsRequestedPolicyVersion": _POLICY_VERSION})
        else:
            options = {"options": {"requestedPolicyVersion": _POLICY_VERSION}}
            policy = self._call("POST", resource, ":getIamPolicy", json=options)
        return members_of(policy.get("bindings", ()))

    def _keys(self, account: str) -> Sequence[AccountKey]:
        found = self._call("GET", Resource(Kind.ACCOUNT, account), "/keys", params={"keyTypes": "USER_MANAGED"})
        return [
            AccountKey(each["name"].rpartition("/")[2], datetime.fromisoformat(each["validAfterTime"]))
            for each in found.get("keys", ())
        ]

    def _call(self, method: str, resource: Resource, verb: str, **given: Any) -> Mapping[str, Any]:
        import requests
        from google.auth.exceptions import GoogleAuthError, TransportError

        emulator = self._emulated(resource.kind)
        url = (emulator or HOSTS[resource.kind]) + _PATHS[resource.kind].format(resource.name) + verb
        try:
            with self._session(emulated=emulator is not None) as session:
                answer = session.request(method, url, timeout=TIMEOUT, **given)
        except (TransportError, requests.exceptions.RequestException) as error:
            raise Unavailable(f"Google does not answer for {resource} ({type(error).__name__})") from error
        except GoogleAuthError as error:
            raise WrongCredentials(f"Google refuses the credentials for {resource}", hint=LOGIN) from error
        return _body(answer, resource)

    def _emulated(self, kind: Kind) -> str | None:
        """The emulator's address; None where Google itself is asked."""
        place = self._storage if kind is Kind.BUCKET else self._emulator
        return place if place is None or "://" in place else f"http://{place}"

    def _session(self, *, emulated: bool) -> Any:
        """A session of its own for each call: calls run side by side, and a session is not made for that."""
        import requests
        from google.auth.transport.requests import AuthorizedSession

        if not emulated:
            return AuthorizedSession(self._login[0])  # type: ignore[no-untyped-call]  # as above
        session = requests.Session()
        if self._emulator is not None:
            session.headers["Authorization"] = f"Bearer emulated:{self._caller().account}"
        return session


def _body(answer: Response, resource: Resource) -> Mapping[str, Any]:
    match answer.status_code:
        case 200:
            found: Mapping[str, Any] = answer.json()
            return found
        case 401:
            raise WrongCredentials(f"Google refuses the credentials for {resource}", hint=LOGIN)
        case 403:
            raise Forbidden(f"Google does not let us: {_reason(answer)}")
        case 404:
            raise NotFound(f"{resource} does not exist")
    raise Unavailable(f"Google answers {answer.status_code} for {resource}: {_reason(answer)}")


def _reason(answer: Response) -> str:
    try:
        return str(answer.json()["error"]["message"])[:200]
    except (ValueError, KeyError, TypeError):
        return "it does not say why"
