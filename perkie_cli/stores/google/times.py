"""Times of objects, read from their raw fields.

``google-cloud-storage`` refuses a time that is not as Cloud Storage writes it, such as one with an offset, which a
server that stands in for it may have kept. One odd object must not stop a listing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.cloud.storage import Blob


def time_of(blob: Blob, field: str) -> datetime | None:
    """The time in a field of the API's resource, in UTC; None if there is none or it makes no sense.

    Offsets and any number of decimals are read; a time without an offset counts as UTC.
    """
    given = blob._properties.get(field)  # noqa: SLF001  the client's own properties parse strictly
    try:
        time = datetime.fromisoformat(given)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def senseless_times(blob: Blob, *fields: str) -> str | None:
    """Those fields that hold something, but no time, in words; None if all are well."""
    given = blob._properties  # noqa: SLF001
    odd = [f"{each} is {given[each]!r:.60}" for each in fields if each in given and time_of(blob, each) is None]
    return ", ".join(odd) or None
