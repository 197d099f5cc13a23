"""Cloud Run by Google's client: services of one project and region, their revisions and their traffic."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import grpc.aio
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from perkie_cli.domain.deploy.live import LiveRevision, LiveService
from perkie_cli.domain.deploy.traffic import Share, Split
from perkie_cli.domain.errors import (
    MissingExtra,
    NotAuthorised,
    NotFound,
    PerkieError,
    Unavailable,
    UpstreamRefused,
    WrongCredentials,
)
from perkie_cli.domain.iam import Members, members_of
from perkie_cli.ports.rollouts import ServiceChange
from perkie_cli.stores.google.login import LOGIN, log_in

try:
    from google.cloud import run_v2
    from google.cloud.run_v2.services.revisions.transports import RevisionsGrpcAsyncIOTransport
    from google.cloud.run_v2.services.services.transports import ServicesGrpcAsyncIOTransport
except ImportError as error:
    raise MissingExtra("google-cloud-run is not installed", hint="pip install 'perkie-cli[deploy]'") from error

if TYPE_CHECKING:
    from collections.abc import Sequence

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
EMULATOR = "CLOUD_RUN_EMULATOR_HOST"
TIMEOUT = 30.0  # seconds for one call
_LATEST = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST
_BY_NAME = run_v2.TrafficTargetAllocationType.TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION
_State = run_v2.Condition.State


class GoogleRunServices:
    """See ``ports.RunServices``. The clients are made at first use, in the event loop that uses them."""

    def __init__(
        self, project: str, region: str, environ: Mapping[str, str] = os.environ, timeout: float = TIMEOUT
    ) -> None:
        self._place = f"projects/{project}/locations/{region}"
        self._emulator = environ.get(EMULATOR)
        self._timeout = timeout
        self._credentials: Any = None
        self._open: list[Any] = []

    @cached_property
    def _services(self) -> Any:
        return self._client(run_v2.ServicesAsyncClient, ServicesGrpcAsyncIOTransport)

    @cached_property
    def _revisions(self) -> Any:
        return self._client(run_v2.RevisionsAsyncClient, RevisionsGrpcAsyncIOTransport)

    def _client(self, client: Any, transport: Any) -> Any:
        if self._emulator is not None:
            made = client(transport=transport(channel=grpc.aio.insecure_channel(self._emulator)))
        else:
            made = client(credentials=self._credentials)
        self._open.append(made)
        return made

    async def read(self, service: str) -> LiveService:
        """See the port."""
        async with self._answering(f"the service {service}"):
            found = await self._services.get_service(name=self._name(service), timeout=self._timeout, retry=None)
            return _live(found)
        raise AssertionError

    async def members(self, service: str) -> Members:
        """See the port."""
        asked = {"resource": self._name(service), "options": {"requested_policy_version": 3}}
        async with self._answering(f"the IAM policy of {service}"):
            policy = await self._services.get_iam_policy(request=asked, timeout=self._timeout, retry=None)
            return members_of([{"role": each.role, "members": each.members} for each in policy.bindings])
        raise AssertionError

    async def revision(self, service: str, name: str) -> LiveRevision | None:
        """See the port."""
        path = f"{self._name(service)}/revisions/{name}"
        try:
            async with self._answering(f"the revision {name}"):
                return _revision(await self._revisions.get_revision(name=path, timeout=self._timeout, retry=None))
        except NotFound:
            return None
        raise AssertionError

    async def change(self, change: ServiceChange, *, validate_only: bool = False) -> bool:
        """See the port."""
        request = self._update(change)
        request.validate_only = validate_only
        try:
            async with self._answering(f"the service {change.service}"):
                await self._services.update_service(request=request, timeout=self._timeout, retry=None)
        except _Conflict:
            return False
        return True

    def request(self, change: ServiceChange) -> Mapping[str, Any]:
        """See the port."""
        text = run_v2.UpdateServiceRequest.to_json(
            self._update(change), always_print_fields_with_no_presence=False, use_integers_for_enums=False
        )
        found: Mapping[str, Any] = json.loads(text)
        return found

    async def aclose(self) -> None:
        """See the port."""
        for client in self._open:
            await client.transport.close()

    def _name(self, service: str) -> str:
        return f"{self._place}/services/{service}"

    def _update(self, change: ServiceChange) -> Any:
        service = run_v2.Service(
            name=self._name(change.service),
            etag=change.etag,
            annotations=dict(change.annotations),
            traffic=[_target(share) for share in change.traffic],
        )
        paths = ["annotations", "traffic"]
        if change.template is not None:
            service.template = run_v2.RevisionTemplate.from_json(json.dumps(change.template))
            paths.append("template")
        return run_v2.UpdateServiceRequest(service=service, update_mask={"paths": paths})

    @asynccontextmanager
    async def _answering(self, what: str) -> AsyncIterator[None]:
        """Logs in, and turns Google's errors into ours."""
        await self._log_in()
        try:
            yield
        except exceptions.GoogleAPICallError as error:
            raise _ours(error, what) from error
        except GoogleAuthError as error:
            raise WrongCredentials("Google refused the credentials for Cloud Run", hint=LOGIN) from error

    async def _log_in(self) -> None:
        if self._emulator is None and self._credentials is None:
            self._credentials, _ = await log_in("Cloud Run", SCOPE)


class _Conflict(PerkieError):
    """The service is no longer at the etag."""


def _ours(error: exceptions.GoogleAPICallError, what: str) -> PerkieError:
    told = f"{what}: {error.message}"
    match error:
        case exceptions.Aborted():
            return _Conflict(told)
        case exceptions.NotFound():
            return NotFound(f"{what} does not exist", hint="Compare it with `gcloud run services list`.")
        case exceptions.Unauthenticated():
            return WrongCredentials(f"Google refused the credentials for {what}", hint=LOGIN)
        case exceptions.PermissionDenied():
            return NotAuthorised(
                f"not allowed: {told}", hint="It needs roles/run.developer, and to act as its account."
            )
        case exceptions.ServerError() | exceptions.TooManyRequests():
            return Unavailable(f"Cloud Run does not answer for {told}", hint="Try again in a minute.")
    return UpstreamRefused(f"Cloud Run refuses it: {told}")


def _target(share: Share) -> Any:
    kind = _BY_NAME if share.revision else _LATEST
    return run_v2.TrafficTarget(type_=kind, revision=share.revision, percent=share.percent, tag=share.tag)


def _live(found: Any) -> LiveService:
    created, containers = _short(found.latest_created_revision), found.template.containers
    condition = found.terminal_condition
    busy = found.reconciling or found.observed_generation < found.generation
    return LiveService(
        name=_short(found.name),
        etag=found.etag,
        uri=found.uri,
        traffic=_split(found.traffic),
        serving=_split(found.traffic_statuses),
        addresses={each.tag: each.uri for each in found.traffic_statuses if each.tag and each.uri},
        latest_ready=_short(found.latest_ready_revision),
        latest_created=created,
        image=containers[0].image if containers else "",
        annotations=dict(found.annotations),
        ready=None if busy else condition.state == _State.CONDITION_SUCCEEDED,
        message=condition.message,
        account=found.template.service_account,
        asks_nobody=found.invoker_iam_disabled,
    )


def _split(targets: Sequence[Any]) -> Split:
    """No target at all is everything for the latest."""
    return tuple(Share(each.revision, each.percent, each.tag) for each in targets) or (Share("", 100),)


def _revision(found: Any) -> LiveRevision:
    (ready,) = [each for each in found.conditions if each.type_ == "Ready"] or [run_v2.Condition()]
    ended = ready.state in (_State.CONDITION_SUCCEEDED, _State.CONDITION_FAILED)
    return LiveRevision(
        name=_short(found.name),
        image=found.containers[0].image if found.containers else "",
        ready=ready.state == _State.CONDITION_SUCCEEDED if ended else None,
        message=ready.message,
    )


def _short(name: str) -> str:
    return name.rpartition("/")[2]
