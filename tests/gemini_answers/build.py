"""What rows are made of: pictures, parts, candidates, bodies."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from typing import Any

from PIL import Image, ImageDraw

from perkie_cli.domain import errors

FINAL, DRAFT, THOUGHT = (20, 180, 40), (200, 20, 20), (20, 40, 200)
COUNTS = {
    "promptTokenCount": 300,
    "candidatesTokenCount": 1120,
    "totalTokenCount": 1420,
    "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}],
}
PYTHON, LITELLM, CLI = (
    f"https://github.com/{name}" for name in ("googleapis/python-genai", "BerriAI/litellm", "google-gemini/gemini-cli")
)
Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One answer, given to every call. ``expected``: the colour of the picture to take, or the error."""

    name: str
    body: bytes
    expected: tuple[int, int, int] | type[errors.PerkieError]
    attempts: int = 1
    status: int = 200
    says: str = ""  # a part of the error's message, or of a note
    headers: Json = field(default_factory=dict)
    size: int = 256
    source: str = ""


def drawn(
    colour: tuple[int, int, int] = FINAL, size: tuple[int, int] = (480, 320), kind: str = "PNG", **how: Any
) -> bytes:
    """A disc on a ground of that colour."""
    mode = how.pop("mode", "RGB")
    image = Image.new("RGB", size, colour)
    width, height = size
    ImageDraw.Draw(image).ellipse((width * 0.3, height * 0.2, width * 0.7, height * 0.8), fill=(240, 200, 30))
    out = io.BytesIO()
    image.convert(mode).save(out, kind, **how)
    return out.getvalue()


def part(data: bytes, *, thought: bool | None = None, mime: str | None = "image/png", **more: object) -> Json:
    inline: Json = {"data": base64.b64encode(data).decode()} | ({} if mime is None else {"mimeType": mime})
    return {"inlineData": inline, **({} if thought is None else {"thought": thought}), **more}


def candidate(*parts: object, reason: object = "STOP", **more: object) -> Json:
    return {"index": 0, "finishReason": reason, "content": {"role": "model", "parts": list(parts)}, **more}


def body(*candidates: object, usage: object = COUNTS, **more: object) -> bytes:
    return json.dumps({"candidates": list(candidates), "usageMetadata": usage, **more}).encode()


def parts(*them: object, **more: object) -> bytes:
    return body(candidate(*them), **more)


def refusal(code: object, message: object, status: str = "", details: object = ()) -> bytes:
    error = {"code": code, "message": message, "status": status, "details": details}
    return json.dumps({"error": error}).encode()


def kind(name: str) -> str:
    return f"type.googleapis.com/google.rpc.{name}"


def quota(name: str, retry: str | None = None, **value: str) -> list[Json]:
    violation = {"quotaMetric": "generate_content_requests", "quotaId": name, **value}
    wait = [] if retry is None else [{"@type": kind("RetryInfo"), "retryDelay": retry}]
    return [{"@type": kind("QuotaFailure"), "violations": [violation]}, *wait]


GOOD = part(drawn())
HALF = drawn(kind="JPEG")[:-600]
