"""Protection of versions: holds, and the bucket's retention policy.

https://docs.cloud.google.com/storage/docs/object-holds and https://docs.cloud.google.com/storage/docs/bucket-lock
"""

from __future__ import annotations

from datetime import datetime, timedelta

from perkie_cli.emulators.storage.errors import ApiError
from perkie_cli.emulators.storage.records import Bucket, Version


def retained_until(bucket: Bucket, version: Version) -> datetime | None:
    """The end of the bucket's retention period for this version; None without one and during an event-based hold."""
    period = (bucket.fields.get("retentionPolicy") or {}).get("retentionPeriod")
    if period is None or version.fields.get("eventBasedHold"):
        return None
    return (version.released or version.created) + timedelta(seconds=int(period))


def check_removable(bucket: Bucket, version: Version, now: datetime) -> None:
    """Checks that a version may be deleted, overwritten or made noncurrent. Raises: ApiError 403."""
    what = f"Object '{bucket.name}/{version.name}'"
    for field_name, hold in (("temporaryHold", "Temporary"), ("eventBasedHold", "Event-Based")):
        if version.fields.get(field_name):
            never = "cannot be deleted, overwritten or archived until hold is removed."
            raise ApiError(403, f"{what} is under active {hold} hold and {never}")
    until = retained_until(bucket, version)
    if until is not None and now < until:
        message = f"{what} is subject to bucket's retention policy and cannot be deleted or overwritten until {until}."
        raise ApiError(403, message, "retentionPolicyNotMet")


def is_removable(bucket: Bucket, version: Version, now: datetime) -> bool:
    """Whether neither a hold nor retention protects it."""
    try:
        check_removable(bucket, version, now)
    except ApiError:
        return False
    return True
