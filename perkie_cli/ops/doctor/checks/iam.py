"""The rights of the account that the server runs as: enough, not more, and without keys that lie around."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.iam import Caller, Kind, Resource
from perkie_cli.ops.doctor.needs import BROAD, BROAD_ON_BUCKET, NO_CLOUD, POWERS, Need, needs, signing, uses_cloud
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Subject

KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
OLD = timedelta(days=90)  # https://cloud.google.com/iam/docs/best-practices-for-managing-service-account-keys
_NOTHING = "Google cannot be asked: no project is set, or only emulators are used"
_WHOLE = ("roles/owner", "roles/editor", "roles/firebase.admin")  # each gives rights of several services


@frozen
class _Account:
    """The service account, and what it needs."""

    caller: Caller
    needs: Sequence[Need]


async def permissions(its: Subject) -> Sequence[Said]:
    """Whether the account has every permission that perkie needs as it is set up."""
    account = await _account(its)
    if isinstance(account, Said):
        return [account]
    if not account.needs:
        return [skipped(_NOTHING)]
    told = await asyncio.gather(*(_granted(its, account.caller, each) for each in account.needs))
    found = [each for each in told if each is not None]
    if any(each.is_finding for each in found) or len(found) == len(told):
        return found
    seen = ", ".join(str(need.resource) for need, said in zip(account.needs, told, strict=True) if said is None)
    return [*found, ok(f"{account.caller.account} has what it needs: {seen}")]


async def _granted(its: Subject, caller: Caller, need: Need) -> Said | None:
    """None if it is."""
    try:
        missing = need.permissions - await its.parts.access.allowed(need.resource, need.permissions)
    except PerkieError as problem:
        return _not_seen(need.resource, problem)
    if not missing:
        return None
    text = f"{caller.account} lacks {', '.join(sorted(missing))} on {need.resource}: {need.without}"
    return (error if need.vital else warning)(text, need.resource.grant(caller.member, need.role))


async def roles(its: Subject) -> Sequence[Said]:
    """Whether the account may do more than perkie needs, by a role of its own or by one that it inherits."""
    account = await _account(its)
    if isinstance(account, Said):
        return [account]
    projects = {need.resource for need in account.needs if need.resource.kind is Kind.PROJECT}
    projects |= {Resource(Kind.PROJECT, name) for name in (_project(its, account.caller),) if name}
    buckets = [need.resource for need in account.needs if need.resource.kind is Kind.BUCKET]
    if not projects and not buckets:
        return [skipped(_NOTHING)]
    found: list[Said] = []
    for place in sorted(projects, key=str):  # roles first; only where none explains a power, the power itself
        found += await _named(its, account, place, BROAD) or await _powers(its, account.caller, place)
    for place in buckets:
        found += await _named(its, account, place, BROAD_ON_BUCKET)
    return found or [ok(f"{account.caller.account} has no role that is too broad")]


async def _named(its: Subject, account: _Account, place: Resource, broad: Sequence[str]) -> Sequence[Said]:
    """Findings about roles in the resource's own policy; none where it may not be read, which is as usual."""
    try:
        members = await its.parts.access.members(place)
    except PerkieError:
        return []
    member = account.caller.member
    return [
        warning(f"{account.caller.account} has {role} on {place}: more than it needs", _instead(account, place, role))
        for role in members.get(member, ())
        if role in broad
    ]


def _instead(account: _Account, place: Resource, role: str) -> str:
    """The commands that grant what is enough, and then take the role away."""
    family = role.rpartition(".")[0] + "."
    granted = {
        need.resource.grant(account.caller.member, need.role): None
        for need in account.needs
        if role in _WHOLE or need.role.startswith(family)
    }
    return " && ".join([*granted, place.revoke(account.caller.member, role)])


async def _powers(its: Subject, caller: Caller, place: Resource) -> Sequence[Said]:
    """What the account can do there in effect, also by a group, a folder or the organisation."""
    try:
        held = await its.parts.access.allowed(place, POWERS)
    except PerkieError as problem:
        return [_not_seen(place, problem)]
    if not held:
        return []
    told = ", ".join(what for power, what in POWERS.items() if power in held)
    text = f"{caller.account} may {told} in {place}, by a role on it, on its folder or its organisation"
    return [warning(text, place.roles_of(caller.member))]


async def keys(its: Subject) -> Sequence[Said]:
    """Whether somebody made keys for the account: each works until it is deleted, wherever it lies."""
    account = await _account(its)
    if isinstance(account, Said):
        return [account]
    name = account.caller.account or ""
    try:
        made = await its.parts.access.keys(name)
    except PerkieError as problem:
        return [_not_seen(Resource(Kind.ACCOUNT, name), problem)]
    now = its.parts.clock.now()
    old = [
        warning(f"the key {key.id} of {name} is {(now - key.made).days} days old", _delete(name, key.id))
        for key in made
        if now - key.made > OLD
    ]
    return old or [ok(f"{len(made)} keys of {name} were made, none over {OLD.days} days ago")]


async def key_files(its: Subject) -> Sequence[Said]:
    """Whether a service account's key lies on this machine. Without the network."""
    if not uses_cloud(its.settings) and KEY_FILE not in its.parts.environ:
        return [skipped(NO_CLOUD)]
    files = await its.blocking(lambda parts: [*_key_files(parts.environ)])
    return files or [ok("no service account's key lies on this machine")]


def _key_files(environ: Mapping[str, str]) -> Iterator[Said]:
    named = environ.get(KEY_FILE)
    config = environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config" / "gcloud"
    for path in (*([Path(named)] if named else []), Path(config) / "application_default_credentials.json"):
        try:
            held = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):  # not there, or nothing that a key could be read from: the stores say so
            continue
        if isinstance(held, dict) and held.get("type") == "service_account":
            email, id_ = str(held.get("client_email", "")), str(held.get("private_key_id", ""))
            text = f"{shlex.quote(str(path))} is a key of {email} that never ends: let the server run as the account"
            yield warning(f"{text}, or sign in without keys", f"{_delete(email, id_)}  # once nothing uses it")


def _delete(account: str, key: str) -> str:
    return shlex.join(["gcloud", "iam", "service-accounts", "keys", "delete", key, f"--iam-account={account}"])


def _not_seen(place: Resource, problem: PerkieError) -> Said:
    return skipped(f"could not look at {place}: {problem.message}")


async def _account(its: Subject) -> _Account | Said:
    """Skipped without Google Cloud, without credentials, and for a person, whose rights are not the server's."""
    if not uses_cloud(its.settings):
        return skipped(NO_CLOUD)
    try:
        access = await its.blocking(lambda parts: parts.access)
        caller = await access.caller()
    except PerkieError as problem:
        return skipped(f"could not look: {problem.message}")
    if caller.account is None:
        text = "these credentials are a person's, and not the server's: gcloud auth application-default login"
        return skipped(f"{text} --impersonate-service-account=ACCOUNT")
    wanted = [*needs(its.settings, its.parts.environ, _project(its, caller))]
    if not caller.signs and (sign := signing(its.settings, caller.account)) is not None:
        wanted.append(sign)
    return _Account(caller, wanted)


def _project(its: Subject, caller: Caller) -> str | None:
    return its.settings.firestore.project or its.settings.gemini.project or caller.project
