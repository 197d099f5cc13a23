"""Cloud Resource Manager, Secret Manager and IAM over HTTP, as far as it concerns who may do what."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
from typing import Any

from perkie_cli.emulators.http_server import HttpServer, Request, Response, Wire
from perkie_cli.emulators.iam.roles import caller_of, permitted

Json = dict[str, Any]
POLICIES, KEYS = "/_emulator/policies", "/_emulator/keys"
_PROJECT = re.compile(r"/v1/projects/([^/:]+):(\w+)")
_SECRET = re.compile(r"/v1/(projects/[^/]+/secrets/[^/:]+):(\w+)")
_ACCOUNT = re.compile(r"/v1/projects/[^/]+/(serviceAccounts/[^/:]+)(?::(\w+)|/(keys))")
_FROM_URL_SAFE = str.maketrans("-_", "+/")  # of base64; Google takes both
_STATUS = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}
_STATUS |= {409: "ABORTED", 501: "UNIMPLEMENTED"}


class _Refused(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


class IamEmulator(HttpServer):
    """Who may do what, by policies. A request without an emulated token is answered 401, as by Google.

    Every resource exists, and grants nothing until its policy is set, by the API or the admin API.
    Secrets have what their project's policy gives, too.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__(self._handle, host, port)
        self.policies: dict[str, Json] = {}  # by the resource: p, projects/p/secrets/s, serviceAccounts/a@b
        self.keys: dict[str, list[Json]] = {}  # those made for an account, as its address
        self.counts: Counter[str] = Counter()

    @property
    def address(self) -> str:
        """The value for ``CLOUD_IAM_EMULATOR_HOST``."""
        return self.url.partition("://")[2]

    async def _handle(self, request: Request, wire: Wire) -> Response | None:
        """The API; and under ``/_emulator`` all ``policies`` and ``keys``, which PUT replaces in part."""
        del wire
        try:
            if request.path in (POLICIES, KEYS):
                return Response.of(self._admin(request))
            return Response.of(self._answer(request))
        except _Refused as refused:
            error = {"code": refused.status, "message": refused.message, "status": _STATUS[refused.status]}
            return Response.of({"error": error}, refused.status)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            return Response.of({"error": {"code": 400, "message": f"Invalid request: {error!r}"}}, 400)

    def _admin(self, request: Request) -> Json:
        kept: dict[str, Any] = self.policies if request.path == POLICIES else self.keys
        if request.method == "PUT":
            kept.update(request.json_object())
        return dict(kept)

    def _answer(self, request: Request) -> Json:
        caller = caller_of(request.headers.get("authorization"))
        if caller is None:
            raise _Refused(401, "Request is missing required authentication credential.")
        if found := _PROJECT.fullmatch(request.path):
            return self._policy(found[1], found[2], "resourcemanager.projects", caller, request)
        if found := _SECRET.fullmatch(request.path):
            return self._policy(found[1], found[2], "secretmanager.secrets", caller, request)
        if found := _ACCOUNT.fullmatch(request.path):
            if found[3]:
                return self._keys_of(found[1], caller)
            return self._policy(found[1], found[2], "iam.serviceAccounts", caller, request)
        raise _Refused(501, f"{request.method} {request.path} is not emulated")

    def _policy(self, name: str, verb: str, kind: str, caller: str, request: Request) -> Json:
        self.counts[f"{kind}.{verb}"] += 1
        held = set(self._held(name, caller))
        if verb == "testIamPermissions":
            asked = request.json_object().get("permissions", [])
            if any("*" in each for each in asked):
                raise _Refused(400, "Permissions with wildcards are not allowed.")
            found = [each for each in asked if each in held]
            return {"permissions": found} if found else {}
        if verb not in ("getIamPolicy", "setIamPolicy"):
            raise _Refused(501, f"{verb} is not emulated")
        if f"{kind}.{verb}" not in held:
            raise _Refused(403, f"Permission '{kind}.{verb}' denied on resource (or it may not exist).")
        if verb == "setIamPolicy":
            self._replace(name, request.json_object()["policy"])
        return {"version": 1, **self.policies.get(name, {}), "etag": self._etag(name)}

    def _replace(self, name: str, policy: Json) -> None:
        given = str(policy.get("etag", "")).translate(_FROM_URL_SAFE)  # gcloud writes it so
        if given not in ("", self._etag(name)):
            raise _Refused(409, "There were concurrent policy changes. Please retry the whole read-modify-write.")
        self.policies[name] = {key: value for key, value in policy.items() if key != "etag"}

    def _etag(self, name: str) -> str:
        kept = json.dumps(self.policies.get(name, {}), sort_keys=True).encode()
        return b64encode(sha256(kept).digest()[:9]).decode()

    def _keys_of(self, name: str, caller: str) -> Json:
        account = name.removeprefix("serviceAccounts/")
        if "iam.serviceAccountKeys.list" not in set(self._held(name, caller)):
            raise _Refused(403, "Permission 'iam.serviceAccountKeys.list' denied on resource (or it may not exist).")
        made = [{"keyType": "USER_MANAGED", **each} for each in self.keys.get(account, ())]
        return {"keys": made} if made else {}

    def _held(self, name: str, caller: str) -> Iterator[str]:
        """By the resource's own policy, and by that of the project above it."""
        yield from permitted(self._bindings(name), caller)
        if name.startswith("projects/"):
            yield from permitted(self._bindings(name.split("/")[1]), caller)
        elif (account := re.fullmatch(r"serviceAccounts/[^@]+@([^.]+)\.iam\.gserviceaccount\.com", name)) is not None:
            yield from permitted(self._bindings(account[1]), caller)

    def _bindings(self, name: str) -> Sequence[Mapping[str, Any]]:
        found: Sequence[Mapping[str, Any]] = self.policies.get(name, {}).get("bindings", ())
        return found
