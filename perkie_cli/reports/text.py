"""Text that came from elsewhere, made safe for where it is shown."""

from __future__ import annotations

import re

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def xml_safe(text: str) -> str:
    """Only characters of XML 1.0: control characters and lone surrogates are replaced."""
    return _NOT_XML.sub(_REPLACEMENT, text)
