"""Reads requests to the Gemini API: one turn or a chat, with a photo or only text."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from typing import Any

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.money.price_list import ImageModel

RATIOS = {"1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"}
ROLES = ("user", "model")
NOT_EMULATED = ("tools", "cachedContent")


@frozen
class DrawRequest:
    """``photo``: the photo to redraw, if any; ``photos``: the number of all sent photos, for their tokens.

    ``ratio`` None: that of the photo.
    """

    model: ImageModel
    prompt: str
    photo: bytes | None
    photos: int
    ratio: float | None
    image_size: str
    history: str = ""


def read_draw_request(model: ImageModel, body: object) -> DrawRequest:
    """Reads the last turn: its own photo, else the newest picture of the chat before it.

    Raises: ValueError, KeyError, TypeError, IndexError or AttributeError for a body that the API refuses.
    """
    request: Any = camel(body)
    if unknown := [name for name in NOT_EMULATED if request.get(name)]:
        raise ValueError(f"{unknown[0]} is not emulated by perkie")
    turns = _turns(request)
    config = request.get("generationConfig") or {}
    _check(config)
    shape = config.get("imageConfig") or {}
    ratio, image_size = shape.get("aspectRatio"), shape.get("imageSize", "1K")
    if ratio not in (None, *RATIOS) or image_size not in model.image_tokens:
        raise ValueError(f"aspectRatio {ratio!r} or imageSize {image_size!r} is not supported by {model.id}")
    prompt = _words(turns[-1])
    if not prompt:
        raise ValueError("the last turn has no text")
    pictures = [data for turn in turns for data in _pictures(turn)]
    own = list(_pictures(turns[-1]))
    photo = own[0] if own else pictures[-1] if pictures else None
    across, down = (int(side) for side in (ratio or "1:1").split(":"))
    return DrawRequest(
        model,
        prompt,
        None if photo is None else _decoded(photo),
        len(pictures),
        None if ratio is None and photo is not None else across / down,
        image_size,
        " ".join(map(_words, turns[:-1])),
    )


def words_and_pictures(body: object) -> tuple[str, int]:
    """The text and pictures that ``countTokens`` counts. Raises: as ``read_draw_request``."""
    request: Any = camel(body)
    turns = _turns(request.get("generateContentRequest") or request)
    return " ".join(map(_words, turns)), sum(1 for turn in turns for _ in _pictures(turn))


def _turns(request: Any) -> list[Any]:
    turns: list[Any] = request["contents"]
    if any(turn.get("role", "user") not in ROLES for turn in turns):
        raise ValueError("Please use a valid role: user, model.")
    if turns[-1].get("role", "user") != "user":
        raise ValueError("Please ensure that the request ends with a user turn.")
    if any("fileData" in part for turn in turns for part in turn["parts"]):
        raise ValueError("fileData is not emulated by perkie: send inlineData")
    return turns


def _check(config: Mapping[str, Any]) -> None:
    modalities = {str(each).upper() for each in config.get("responseModalities") or ("TEXT", "IMAGE")}
    if "IMAGE" not in modalities:
        raise ValueError(f"The requested response modalities {sorted(modalities)} are not supported by this model.")
    if config.get("candidateCount", 1) != 1:
        raise ValueError("Multiple candidates is not enabled for this model")


def _words(turn: Any) -> str:
    return " ".join(part["text"] for part in turn["parts"] if part.get("text") and not part.get("thought"))


def _pictures(turn: Any) -> Iterator[str]:
    """The pictures of the chat, without drafts, which are marked as thoughts."""
    for part in turn["parts"]:
        if "inlineData" in part and not part.get("thought"):
            yield part["inlineData"]["data"]


def _decoded(text: str) -> bytes:
    """Either alphabet, padded or not."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "==")


def camel(value: object) -> object:
    """Names in camel case: the API accepts ``inline_data`` as well as ``inlineData``."""
    if isinstance(value, dict):
        return {re.sub(r"_([a-z])", lambda m: m[1].upper(), name): camel(each) for name, each in value.items()}
    return [camel(each) for each in value] if isinstance(value, list) else value
