"""What Google says in words, fit to be shown: on one line, not too long, without the key."""

from __future__ import annotations

import re

from perkie_cli.domain.secret import Secret

LONGEST = 500  # characters: "limit: 0" stands behind two web addresses
_KEYS = re.compile(r"AIza[0-9A-Za-z_-]{20,}|\bAQ\.[0-9A-Za-z_-]{20,}|ya29\.[0-9A-Za-z_.-]{10,}")


class Scrubber:
    """Cuts the key out of whatever the API says: its refusals repeat it."""

    def __init__(self, key: Secret | None = None) -> None:
        self._key = key

    def __call__(self, said: object) -> str:
        """``: the sentence``, or nothing where nothing was said; to be put behind a sentence of ours."""
        text = " ".join(str(said or "").split())
        if text.startswith("<"):
            return ""  # a page for browsers
        if self._key is not None:
            text = text.replace(self._key.reveal(), "****")
        text = _KEYS.sub("****", text)
        text = "".join(character for character in text if character.isprintable())
        return f": {text[: LONGEST - 1]}…" if len(text) > LONGEST else f": {text}" if text else ""
