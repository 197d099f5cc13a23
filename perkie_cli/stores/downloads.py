"""Large files over HTTP, resumed with Range requests (RFC 9110, section 14)."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from perkie_cli.domain.errors import AtCapacity, DiskFull, UpstreamFault, UpstreamRefused, unwritable
from perkie_cli.domain.units import format_size
from perkie_cli.ports import DownloadProgress

if TYPE_CHECKING:
    import httpx2

_PARTIAL_CONTENT, _RANGE_NOT_SATISFIABLE = 206, 416
_STALLED = 30.0  # s without a byte
_LARGEST = 8 * 1024**3  # bytes; twenty times the largest network
_HINT = "Check matting.weights_url and matting.mirror_url."


class HttpDownloads:
    """``ports.Downloads`` over HTTP, of ``largest`` bytes at most. Proxies come from the environment (``HTTPS_PROXY``,
    ``NO_PROXY``).
    """

    def __init__(self, largest: int = _LARGEST) -> None:
        self._largest = largest

    async def fetch(self, url: str, part: Path, progress: DownloadProgress) -> None:
        """Downloads in a thread; see the port for resuming and errors."""
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            with part.open("ab") as file, _exclusive(file, part):
                await _fetch(url, file, progress, self._largest)
        except OSError as error:
            raise unwritable(str(part), error) from error


async def _fetch(url: str, file: BinaryIO, progress: DownloadProgress, largest: int) -> None:
    import httpx2

    done = file.tell()
    headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"} if done else {"Accept-Encoding": "identity"}
    timeout = httpx2.Timeout(_STALLED, connect=10.0)
    try:
        async with (
            httpx2.AsyncClient(timeout=timeout, follow_redirects=True) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == _RANGE_NOT_SATISFIABLE:
                return  # already complete; its checksum will tell whether it is the right file
            _check(answer, url)
            if answer.status_code != _PARTIAL_CONTENT:
                file.truncate(0)  # the server does not resume
                done = 0
            await _receive(answer, file, done, progress, largest)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise UpstreamFault(
            f"the download from {url} broke off after {format_size(file.tell())}: {error or type(error).__name__}",
            hint="Run the command again: it resumes from there.",
        ) from error


async def _receive(
    answer: httpx2.Response, file: BinaryIO, done: int, progress: DownloadProgress, largest: int
) -> None:
    length = answer.headers.get("content-length", "")
    total = done + int(length) if length.isdigit() else None
    _check_room(file, total, done)
    progress(done, total)
    async for chunk in answer.aiter_raw():
        done += len(chunk)
        if done > largest:
            file.truncate(0)
            raise UpstreamRefused(f"the file is larger than {format_size(largest)}", hint=_HINT)
        await asyncio.to_thread(file.write, chunk)
        progress(done, total)


def _check(answer: httpx2.Response, url: str) -> None:
    if answer.is_success:
        return
    said = f"{url} answered {answer.status_code}"
    if answer.is_server_error or answer.status_code in (408, 429):
        raise UpstreamFault(said, hint="Try again later.")
    raise UpstreamRefused(said, hint=_HINT)


def _check_room(file: BinaryIO, total: int | None, done: int) -> None:
    free = shutil.disk_usage(Path(file.name).parent).free
    if total is not None and total - done > free:
        raise DiskFull(
            f"{format_size(total - done)} remain to be downloaded, but only {format_size(free)} are free",
            hint="Free some disk space, or set matting.models_dir to another disk.",
        )


@contextmanager
def _exclusive(file: BinaryIO, part: Path) -> Iterator[None]:
    """Locks the file: two processes that append to it would damage it. The lock ends with the process."""
    if os.name != "posix":  # Windows never lets two processes write to one file
        yield
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise AtCapacity(f"another perkie is downloading {part.name}", hint="Wait for it to finish.") from error
    yield
