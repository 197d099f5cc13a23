"""Reads the body of an answer of ``generateContent``: the pictures in it, or why there is none.

The SDK would refuse the whole answer because of one odd field. This module skips parts that it cannot read, so that a
picture next to them, which is paid for, is not lost.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from perkie_cli.domain.errors import BadAnswer, Blocked, PerkieError, SafetyBlock, WrongCredentials
from perkie_cli.domain.frozen import frozen

Json = Mapping[str, Any]

# By name: future reasons arrive as names. A reason in none of these sets means an answer without a picture for no
# lasting reason, so the call is retried.
_SAFETY = {"SAFETY", "IMAGE_SAFETY"}
_BLOCKS = {
    "BLOCKLIST",
    "ESCALATION",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "JAILBREAK",
    "LANGUAGE",
    "MODEL_ARMOR",
    "PROHIBITED_CONTENT",
    "RECITATION",
    "SPII",
}
_ACCOUNT = "PUP_LIMITED_DISABLED"
_WHOLE = {"", "STOP", "FINISH_REASON_UNSPECIFIED"}  # the model finished normally
_UNSPECIFIED = {"", "BLOCK_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED"}


@frozen
class GeminiAnswer:
    """``pictures``: encoded, the best one first; ``usage``: the raw ``usageMetadata``."""

    pictures: tuple[bytes, ...]
    usage: Json
    absence: PerkieError  # the error to raise if there is no picture


def read(body: str | None, scrubbed: Callable[[object], str]) -> GeminiAnswer:
    """Parses an answer; run it in a worker. ``scrubbed`` makes Google's texts safe to show.

    Raises: ValueError or RecursionError when it cannot be read; ``google.genai.errors.APIError`` for an error inside a
    200, as some gateways send.
    """
    return read_parsed(_parsed(body), scrubbed)


def read_parsed(found: Json, scrubbed: Callable[[object], str]) -> GeminiAnswer:
    """Reads the object of an answer; run it in a worker."""
    return GeminiAnswer(_pictures(found), _table(found.get("usageMetadata")), _absence(found, scrubbed))


def _parsed(body: str | None) -> Json:
    found = json.loads(body.removeprefix("\ufeff")) if body else {}
    if isinstance(found, list) and len(found) == 1:
        found = found[0]  # a stream with one element
    if not isinstance(found, dict) or not isinstance(found.get("candidates") or [], list):
        raise ValueError("the body is not an answer")  # noqa: TRY004 -- one class for all that cannot be read
    if found.get("error") and not found.get("candidates"):
        from google.genai.errors import APIError

        APIError.raise_error(_status(found["error"]), found, None)
    return found


def _status(error: object) -> int:
    """The status of an error inside a 200; 500 if it has none."""
    code = str(_table(error).get("code"))
    return int(code) if code in {str(known) for known in range(400, 600)} else 500


def _pictures(found: Json) -> tuple[bytes, ...]:
    """The pictures, the last one first. Thoughts are drafts: the last one counts only if a complete answer has no other
    picture, since some models mark the finished picture so (https://github.com/BerriAI/litellm/issues/30355).
    """
    if _block_reason(found):
        return ()
    finals: list[bytes] = []
    thoughts: list[bytes] = []
    for candidate in _tables(found.get("candidates")):
        reason = _finish_reason(candidate)
        if reason in _SAFETY | _BLOCKS:
            continue
        for part in _parts(candidate):
            if (data := _inline_data(part)) is None:
                continue
            if part.get("thought") is not True:
                finals.append(data)
            elif reason in _WHOLE:
                thoughts.append(data)
    return tuple(reversed(finals)) or tuple(thoughts[-1:])


def _inline_data(part: Json) -> bytes | None:
    """The bytes of a part, whatever its media type; None if it has none."""
    text = _table(part.get("inlineData")).get("data")
    if not isinstance(text, str) or not text:
        return None
    if text.startswith("data:"):
        text = text.partition(",")[2]
    try:
        return base64.b64decode(text.translate(_FROM_URL_SAFE) + "=" * (-len(text) % 4)) or None
    except (binascii.Error, ValueError):
        return None


_FROM_URL_SAFE = str.maketrans("-_", "+/")


def _absence(found: Json, scrubbed: Callable[[object], str]) -> PerkieError:
    if reason := _block_reason(found):
        message = _table(found.get("promptFeedback")).get("blockReasonMessage")
        return _blocked(f"prompt: {reason}", scrubbed(message), safety=reason in _SAFETY)
    candidates = list(_tables(found.get("candidates")))
    reason = next(filter(None, map(_finish_reason, candidates)), "no reason") if candidates else "no candidate"
    said = scrubbed(next((each["finishMessage"] for each in candidates if each.get("finishMessage")), None))
    if reason in _SAFETY | _BLOCKS:
        return _blocked(reason, said, safety=reason in _SAFETY)
    if reason == _ACCOUNT:
        hint = "Check the notices in Google AI Studio."
        return WrongCredentials(f"gemini has limited or disabled this account{said}", hint=hint)
    return BadAnswer(f"gemini answered without a picture ({reason}){said or scrubbed(_text(candidates))}")


def _blocked(reason: str, said: str, *, safety: bool) -> PerkieError:
    return (SafetyBlock if safety else Blocked)(f"gemini will not draw this picture ({reason}){said}")


def _text(candidates: list[Json]) -> str:
    """The text that the model wrote instead of a picture."""
    parts = [part for candidate in candidates for part in _parts(candidate) if part.get("thought") is not True]
    return " ".join(text for part in parts if isinstance(text := part.get("text"), str))


def _block_reason(found: Json) -> str:
    reason = _name(_table(found.get("promptFeedback")).get("blockReason"))
    return "" if reason in _UNSPECIFIED else reason


def _finish_reason(candidate: Json) -> str:
    return _name(candidate.get("finishReason"))


def _name(value: object) -> str:
    """An enum's member as one word."""
    return "".join(str(value or "").split())[:60]


def _parts(candidate: Json) -> Iterator[Json]:
    return _tables(_table(candidate.get("content")).get("parts"))


def _table(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _tables(value: object) -> Iterator[Json]:
    yield from (each for each in value if isinstance(each, dict)) if isinstance(value, list) else ()
