"""This machine: its disks and its clock."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from perkie_cli.domain.units import format_size
from perkie_cli.ops.doctor.checks.gemini import upstream
from perkie_cli.ops.doctor.heaviest import usage
from perkie_cli.ops.doctor.said import Said, error, ok, skipped, warning
from perkie_cli.ops.doctor.subject import Parts, Subject

FULL, LOW = 64 * 1024**2, 1024**3  # bytes left; a picture with its original is up to 60 MB
TOLERATED, TOO_FAR = timedelta(seconds=30), timedelta(minutes=5)  # Google refuses signatures five minutes off
PURGE = "perkie cache purge --expired"
STORAGE = "https://storage.googleapis.com"


async def disk(its: Subject) -> Sequence[Said]:
    """The room for the cache and for quotas and spending."""
    return await its.blocking(_disk)


def _disk(parts: Parts) -> Sequence[Said]:
    """One sentence a disk."""
    places = {"the state folder": parts.state_dir}
    if parts.settings.cache.store == "disk":
        places["the cache"] = parts.cache_dir
    disks: dict[int, dict[str, Path]] = {}
    for what, place in places.items():
        nearest = _existing(place)
        disks.setdefault(nearest.stat().st_dev, {})[what] = nearest
    return [_room(" and ".join(them), next(iter(them.values())), parts.cache_dir) for them in disks.values()]


def _existing(place: Path) -> Path:
    """A folder that is not there yet will be on the disk of the nearest one above it."""
    return next(each for each in (place, *place.absolute().parents) if each.exists())


def _room(what: str, place: Path, cache: Path) -> Said:
    disk = os.statvfs(place)
    left = disk.f_bavail * disk.f_frsize
    text = f"{format_size(left)} left for {what} (at {place})"
    if disk.f_flag & os.ST_RDONLY:
        return error(f"read-only: the disk of {what} (at {place})", f"mount -o remount,rw {_mount(place)}")
    if disk.f_files and not disk.f_favail:
        return error(
            f"no more files (inodes) on the disk of {what} (at {place})", f"du -x --inodes -d1 {_mount(place)}"
        )
    if left >= LOW:
        return ok(text)
    fix = _largest(place, cache, used=(disk.f_blocks - disk.f_bfree) * disk.f_frsize)
    return error(text, fix) if left < FULL else warning(text, fix)


def _largest(place: Path, cache: Path, used: int) -> str:
    """First what frees most: mostly that is not the cache."""
    mount = _mount_of(place)
    found = usage(mount)
    if found.of(cache) >= found.of(mount) / 2:
        return f"{PURGE}  # if that frees little: du -xhd1 {shlex.quote(str(mount))}"
    largest = found.largest
    share = f"{format_size(found.of(largest))} of the {format_size(used)} used there"
    frees = f"the cache has {format_size(found.of(cache))}, so that {PURGE} frees little"
    return f"du -xhd1 {shlex.quote(str(largest))}  # {share}; {frees}"


def _mount(folder: Path) -> str:
    return shlex.quote(str(_mount_of(folder)))


def _mount_of(folder: Path) -> Path:
    return next(each for each in (folder, *folder.absolute().parents) if each.is_mount())


async def clock(its: Subject) -> Sequence[Said]:
    """This clock against that of the upstream, whose every answer has a date."""
    import httpx2

    url = clock_of(its)
    if url is None:
        return [skipped("there is no upstream to compare with")]
    async with httpx2.AsyncClient() as client:
        try:
            answer = await client.head(url)
        except (httpx2.HTTPError, httpx2.InvalidURL) as problem:
            return [skipped(f"{url} does not answer ({type(problem).__name__})")]
    try:
        theirs = parsedate_to_datetime(answer.headers.get("date", ""))
    except ValueError:
        return [skipped(f"the answer of {url} has no date")]
    theirs = theirs.replace(tzinfo=UTC) if theirs.tzinfo is None else theirs
    return [clock_verdict(its.parts.clock.now() - theirs)]


def clock_of(its: Subject) -> str | None:
    """Whom to ask for the time; None if nothing is outside of this machine."""
    if its.draws_with_gemini:
        return upstream(its)
    if its.settings.cache.store == "gcs":
        endpoint = its.settings.cache.endpoint or STORAGE
        return endpoint if "://" in endpoint else f"http://{endpoint}"
    return None


def clock_verdict(ahead: timedelta) -> Said:
    """The verdict on a clock that is ``ahead`` of the upstream's, whose date has whole seconds."""
    off = abs(ahead)
    way = "ahead" if ahead > timedelta() else "behind"
    text = f"this clock is {off.total_seconds():.0f} s {way}"
    if off <= TOLERATED:
        return ok("this clock is right")
    fix = "timedatectl set-ntp true"
    return error(f"{text}: signatures and tokens are refused", fix) if off > TOO_FAR else warning(text, fix)
