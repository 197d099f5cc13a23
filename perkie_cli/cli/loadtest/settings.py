"""What ``load-test run`` was asked for, and what of it is refused before anything is sent."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from perkie_cli.domain.errors import InvalidParameter, UnwritableFile, UsageError
from perkie_cli.domain.frozen import frozen

if TYPE_CHECKING:
    from perkie_cli.loadtest.scenario import Scenario


@frozen
class Settings:
    """What ``load-test run`` was asked for."""

    scenario: Scenario
    target: str | None
    hosted: bool
    against: str | None
    repeat: int
    seed: int | None
    workers: int
    headers: Mapping[str, str]
    insecure: bool
    reports: tuple[Path, ...]
    summary: Path | None
    samples: Path | None
    min_change: float
    max_usd: float | None
    owned: bool

    def check(self) -> None:
        """Refuses what must not start.

        Raises: UsageError, InvalidParameter, UnwritableFile.
        """
        from perkie_cli.loadtest.pages import check_suffix

        if (self.target is None) != self.hosted:
            raise UsageError(
                "what is to be tested? Use one of --target and --self", hint="--self starts a server for the test."
            )
        if self.against and self.hosted:
            raise UsageError("--against compares two running servers; --self starts one")
        if self.scenario.fresh_servers and not self.hosted:
            raise UsageError(f"{self.scenario.name} starts the server again and again, which needs --self")
        for url in filter(None, (self.target, self.against)):
            self._check_target(url)
        for path in self.reports:
            check_suffix(path)
        for file in filter(None, (*self.reports, self.summary, self.samples)):
            _check_writable(file)

    def _check_target(self, url: str) -> None:
        parts = _parts(url)
        if not (self.owned or _is_loopback(parts.hostname or "")):
            raise UsageError(
                f"{url} is not on this machine", hint="Add --i-own-this-target if it is yours to put under load."
            )
        if self.max_usd is None and any(call.method == "POST" for call in self.scenario.calls):
            raise UsageError(
                f"{url} may spend real money on these requests",
                hint="Say how much with --max-usd (0 for a server that spends none), or use --self.",
            )


def _check_writable(file: Path) -> None:
    """Raises: UnwritableFile, before anything is sent for a report that cannot be kept."""
    if not file.parent.is_dir():
        raise UnwritableFile(f"{file}: there is no folder {file.parent}")
    if file.is_dir():
        raise UnwritableFile(f"{file} is a folder")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise UnwritableFile(f"{file} cannot be written: permission denied")


def _parts(url: str) -> Any:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1) > 0
    except ValueError:
        fits = False
    if not fits or not url.isascii() or any(c.isspace() for c in url):
        raise InvalidParameter(f"{url!r} is not an address such as http://127.0.0.1:8080")
    if parts.username is not None or parts.query or parts.fragment:
        raise InvalidParameter("a target has no credentials, query or fragment", hint="Send credentials with -H.")
    return parts


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_headers(given: Sequence[str]) -> Mapping[str, str]:
    """``Name: value`` each.

    Raises: InvalidParameter.
    """
    from perkie_cli.loadtest.scenario import why_no_header

    found: dict[str, str] = {}
    for text in given:
        name, colon, value = text.partition(":")
        if not colon or not text.isprintable():
            raise InvalidParameter("-H takes a header such as 'X-API-Key: 1234'")  # the value may be secret
        if why := why_no_header(name.strip()):
            raise InvalidParameter(f"-H: {name.strip()!r} {why}")
        found[name.strip()] = value.strip()
    return found
