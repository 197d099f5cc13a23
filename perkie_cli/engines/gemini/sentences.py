"""Makes Google's messages safe to show: on one line, not too long, without the key."""

from __future__ import annotations

import re

from perkie_cli.domain.secret import Secret

LONGEST = 500  # characters: long enough for "limit: 0", which comes after two URLs
_KEYS = re.compile(r"AIza[0-9A-Za-z_-]{20,}|\bAQ\.[0-9A-Za-z_-]{20,}|ya29\.[0-9A-Za-z_.-]{10,}")


class Scrubber:
    """Removes the key from the API's messages: its refusals repeat the key."""

    def __init__(self, key: Secret | None = None) -> None:
        self._key = key

    def __call__(self, said: object) -> str:
        """``: the message``, or an empty string without one; to be appended to our own message."""
        text = " ".join(str(said or "").split())
        if text.startswith("<"):
            return ""  # an HTML page
        if self._key is not None:
            text = text.replace(self._key.reveal(), "****")
        text = _KEYS.sub("****", text)
        text = "".join(character for character in text if character.isprintable())
        return f": {text[: LONGEST - 1]}…" if len(text) > LONGEST else f": {text}" if text else ""
