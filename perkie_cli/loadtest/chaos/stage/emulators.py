"""The admin API of an emulator, as an experiment uses it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from perkie_cli.loadtest.chaos.stage.stage import DidNotHappen

PLAN, CLOCK = "plan", "clock"
_WITHIN = 10.0  # seconds
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy


def call(url: str, method: str, what: str, body: object = None) -> dict[str, Any]:
    """One call of ``/_emulator/plan`` or ``clock``. Raises: DidNotHappen with the emulator's own words."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url.rstrip('/')}/_emulator/{what}", data, method=method)  # noqa: S310 -- loopback
    try:
        with _OPENER.open(request, timeout=_WITHIN) as answer:
            found = json.load(answer)
    except urllib.error.HTTPError as error:
        raise DidNotHappen(f"{url} refused {method} {what}: {error.read(2000).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise DidNotHappen(f"{url} does not answer {method} {what}: {error}") from error
    if not isinstance(found, dict):
        raise DidNotHappen(f"{url} is no emulator of perkie")
    return found
