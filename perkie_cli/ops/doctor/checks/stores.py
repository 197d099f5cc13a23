"""Where pictures, quotas and spending are kept. Files that are not there yet are not made."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

from perkie_cli.domain.errors import PerkieError
from perkie_cli.domain.iam import EVERYBODY
from perkie_cli.domain.storage.lifecycle import rules_for
from perkie_cli.domain.storage.protection import bucket_name
from perkie_cli.domain.storage.selection import total
from perkie_cli.domain.units import format_size
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Parts, Subject
from perkie_cli.ops.lifecycle.lifecycle import Change
from perkie_cli.ports import DocumentRef

COUNTING = 1.5  # seconds; a check has three
RESTORE = "perkie cache restore --dry-run"
REPAIR = "perkie state verify --repair"
KEPT_FOR_A_WHILE = ("quota", "leases", "spend", "key_uses")  # collections whose documents have an end
_NO_BUCKET = "pictures are kept on this machine's disk"


async def state(its: Subject) -> Sequence[Said]:
    """Whether the SQLite files of quotas, spending, outputs and runs are whole."""
    verifying = await its.blocking(lambda parts: parts.state_files)
    files = await verifying.verify(repair=False)
    wrong = [
        error(f"{each.path} is corrupt ({each.wrong}); lost: {each.holds}", REPAIR) for each in files if each.wrong
    ]
    wrong += [error(each.unread.message, each.unread.hint or "") for each in files if each.unread]
    there = await its.blocking(lambda _: [each.path.name for each in files if each.path.exists()])
    return wrong or [ok(f"whole: {', '.join(there)}" if there else "no files yet")]


async def cache(its: Subject) -> Sequence[Said]:
    """Whether the store of pictures answers, and how full it is."""
    if its.settings.cache.store == "gcs":
        store = await its.blocking(lambda parts: parts.blobs)
        await store.ping()
        return [ok(f"{store.name} answers")]
    if not await its.blocking(lambda parts: (parts.cache_dir / "index.sqlite").exists()):
        return [ok(f"{its.parts.cache_dir} is empty")]
    store = await its.blocking(lambda parts: parts.blobs)
    kept = total(await store.totals())
    return [await its.blocking(lambda parts: _size(parts, kept.count, kept.bytes))]


def _size(parts: Parts, count: int, used: int) -> Said:
    text, limit = f"{count} objects, {format_size(used)}", parts.settings.cache.max_size
    if limit is None:
        return ok(f"{text}, no cache.max_size")
    left = shutil.disk_usage(parts.cache_dir).free
    if used > limit:
        return warning(f"{text}: over cache.max_size ({format_size(limit)})", "perkie cache purge --expired")
    if limit - used > left:
        fix = f"export PERKIE_CACHE_MAX_SIZE={used + left // 2}"
        return warning(f"{text} of {format_size(limit)}, but the disk has only {format_size(left)} left", fix)
    return ok(f"{text} of {format_size(limit)}")


async def bucket_access(its: Subject) -> Sequence[Said]:
    """Whether the bucket can be made public, and whether it is protected from deletion by accident."""
    if its.settings.cache.store != "gcs":
        return [skipped(_NO_BUCKET)]
    change = await _compared(its)
    if isinstance(change, Said):
        return [change]
    name = bucket_name(its.settings.cache.bucket or "")
    if not change.state.never_public:
        fix = f"gcloud storage buckets update gs://{name} --public-access-prevention"
        return [warning(f"gs://{name} can be made public: customers' photos are in it", fix)]
    protected = name in map(bucket_name, its.settings.cache.protected_buckets)
    return [ok(f"gs://{name} cannot be made public; {'protected' if protected else 'not'} in cache.protected_buckets")]


async def bucket_iam(its: Subject) -> Sequence[Said]:
    """Whether the bucket's policy lets strangers in; skipped where this account may not read it."""
    if its.settings.cache.store != "gcs":
        return [skipped(_NO_BUCKET)]
    lifecycle = await its.blocking(lambda parts: parts.lifecycle)
    try:
        readers = await lifecycle.readers()
    except PerkieError as problem:
        return [skipped(f"the IAM policy cannot be read ({problem.message})")]
    name = lifecycle.bucket
    found = [
        error(
            f"{member} has {role} on {name}: strangers can reach customers' photos",
            f"gcloud storage buckets remove-iam-policy-binding {name} --member={member} --role={role}",
        )
        for member in EVERYBODY
        for role in readers.get(member, ())
    ]
    return found or [ok(f"{len(readers)} members in the policy of {name}, no strangers")]


async def ttl(its: Subject) -> Sequence[Said]:
    """Whether Firestore removes what nobody needs any more, by a TTL policy for each collection."""
    if "firestore" not in (its.settings.quota.store, its.settings.gemini.ledger):
        return [skipped("nothing is kept in Firestore")]
    policies = await its.blocking(lambda parts: parts.ttl_policies)
    try:
        missing = await policies.missing(KEPT_FOR_A_WHILE)
    except PerkieError as problem:
        return [skipped(f"the TTL policies cannot be read ({problem.message})")]
    command = f"gcloud firestore fields ttls update {policies.field} --enable-ttl --collection-group="
    found = [warning(f"{each} has no TTL policy: it grows for ever", command + each) for each in missing]
    return found or [ok(f"{len(KEPT_FOR_A_WHILE)} collections have a TTL policy")]


async def bucket_rules(its: Subject) -> Sequence[Said]:
    """Whether the bucket's lifetime rules are ours, and what else keeps or deletes objects there."""
    if its.settings.cache.store != "gcs":
        return [skipped(_NO_BUCKET)]
    change = await _compared(its)
    if isinstance(change, Said):
        return [change]
    found = [warning(each.text, each.fix or "perkie lifecycle diff") for each in change.remarks]
    if change.pending:
        text = f"the lifetime rules differ: {len(change.added)} missing, {len(change.removed)} not ours"
        found.insert(0, warning(text, "perkie lifecycle apply"))
    if change.pending or change.state.versioning:
        found = [*await _restorable(its), *found]
    return found or [ok(f"{len(change.target)} lifetime rules, as configured")]


async def _restorable(its: Subject) -> Sequence[Said]:
    """What is gone and can come back, which is to be done before the rules or versioning are mended."""
    restoring = await its.blocking(lambda parts: parts.restoring)
    try:
        async with asyncio.timeout(COUNTING):
            gone = await restoring.restorable()
    except TimeoutError:
        return [warning("the bucket is too large to count here what is gone and can be brought back", RESTORE)]
    if not gone.count:
        return []
    return [warning(f"{gone.count} objects are gone and can be brought back, first of all", RESTORE)]


async def _compared(its: Subject) -> Change | Said:
    """Skipped where the bucket cannot be read: one cause is one finding."""
    try:
        lifecycle = await its.blocking(lambda parts: parts.lifecycle)
        return await lifecycle.compare(rules_for(its.parts.lifetimes), given=False)
    except PerkieError as problem:
        return skipped(f"the bucket's settings cannot be read ({problem.message}); see cache.store")


async def quotas(its: Subject) -> Sequence[Said]:
    """Whether the store of quotas answers, by a read."""
    file = its.settings.quota.path or its.parts.state_dir / "quotas.sqlite"
    if its.settings.quota.store == "sqlite" and not await its.blocking(lambda _: file.exists()):
        return [ok(f"{file} is made at first use")]
    store = await its.blocking(lambda parts: parts.documents)
    await store.read([DocumentRef("ping", "ping")])
    return [ok(f"{store.name} answers")]
