"""Bodies of the Gemini API, good and bad (https://ai.google.dev/api/generate-content, https://google.aip.dev/193)."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from perkie_cli.emulators.http_server import Response

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
REFERENCE_TOKENS = 1120  # tokens of one photo
SIGNATURE = base64.b64encode(b"emulated").decode()
Json = dict[str, Any]


def error(status: int, message: str, details: Sequence[Json] = (), retry_after: float | None = None) -> Response:
    """An error body; a 429 has RetryInfo if a time is given."""
    infos = list(details)
    if retry_after is not None:
        infos.append({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"})
    body: Json = {"code": status, "message": message, "status": STATUSES.get(status, "UNKNOWN")}
    return Response.of({"error": {**body, "details": infos} if infos else body}, status)


def wrong_key(key: str) -> Response:
    """The real API's refusal of a key: a 400 with details. It repeats the key, which callers must not show."""
    reason = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"consumer": f"api_key:{key}"},
    }
    return error(400, f"API key not valid ({key}). Please pass a valid API key.", [reason])


def prompt_tokens(prompt: str, photos: int) -> tuple[int, list[Json]]:
    """The prompt's tokens in total and by modality."""
    counts = {"TEXT": -(-len(prompt) // 4), "IMAGE": photos * REFERENCE_TOKENS}
    details = [{"modality": modality, "tokenCount": count} for modality, count in counts.items() if count]
    return sum(counts.values()), details


def usage(prompt: str, photos: int, image_tokens: int) -> Json:
    """Token counts of one answer."""
    taken, details = prompt_tokens(prompt, photos)
    counts: Json = {
        "promptTokenCount": taken,
        "promptTokensDetails": details,
        "totalTokenCount": taken + image_tokens,
    }
    if image_tokens:
        counts["candidatesTokenCount"] = image_tokens
        counts["candidatesTokensDetails"] = [{"modality": "IMAGE", "tokenCount": image_tokens}]
    return counts


def picture(data: bytes, media_type: str, counts: Mapping[str, Any], model: str) -> Json:
    """A good answer with a thought signature, which newer models expect back in a chat."""
    part = picture_part(data, media_type)
    return candidate("STOP", counts, model, [{**part, "thoughtSignature": SIGNATURE}])


def picture_part(data: bytes, media_type: str) -> Json:
    """One picture of an answer."""
    return {"inlineData": {"mimeType": media_type, "data": base64.b64encode(data).decode()}}


def candidate(reason: str, counts: Mapping[str, Any], model: str, parts: list[Json] | None = None) -> Json:
    """An answer of one candidate; without ``parts`` it has no content."""
    only: Json = {"finishReason": reason, "index": 0}
    if parts is not None:
        only["content"] = {"role": "model", "parts": parts}
    return {"candidates": [only], "usageMetadata": counts, "modelVersion": model, "responseId": "emulated"}


def blocked_prompt(reason: str, counts: Mapping[str, Any], model: str) -> Json:
    """An answer without candidates."""
    return {"promptFeedback": {"blockReason": reason}, "usageMetadata": counts, "modelVersion": model}
