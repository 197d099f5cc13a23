"""The client address that a request counts against."""

from __future__ import annotations

import functools
import ipaddress
import re

_PORT = re.compile(r"^(?:\[([^\]]+)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$")


def client_address(peer: str, forwarded_for: str, trusted_hops: int) -> str:
    """The address that the outermost trusted proxy saw.

    ``peer`` is the socket's other end, ``forwarded_for`` the whole X-Forwarded-For (values joined with commas),
    ``trusted_hops`` the number of our own proxies that append to it. Entries to the left of theirs can be forged and
    are ignored. With fewer entries than hops the request did not come through them, so the peer's address is used.
    """
    entries = [entry.strip() for entry in forwarded_for.split(",") if entry.strip()]
    if trusted_hops < 1 or len(entries) < trusted_hops:
        return peer
    return _plain(entries[-trusted_hops]) or peer


@functools.lru_cache(maxsize=1024)  # asked for each request, mostly about the same few
def is_loopback(address: str) -> bool:
    """Whether only this machine can have that address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address == "localhost"
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _plain(entry: str) -> str | None:
    """The address without brackets and port, or None if it is not an address."""
    match = _PORT.match(entry)
    text = (match[1] or match[2]) if match else entry
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
