"""Answers in a 200: pictures to take, pictures that nobody wants, blocks, odd counts."""

from __future__ import annotations

import base64
import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from perkie_cli.domain import errors
from tests.gemini_answers.build import (
    COUNTS,
    DRAFT,
    FINAL,
    GOOD,
    HALF,
    LITELLM,
    PYTHON,
    THOUGHT,
    Row,
    body,
    candidate,
    drawn,
    part,
    parts,
)
from tests.gemini_bench import photo


def pictures() -> Iterator[Row]:
    """Answers with a picture to take."""
    draft, thought = part(drawn(DRAFT)), part(drawn(THOUGHT), thought=True)
    yield Row("a plain picture", parts(GOOD), FINAL)
    yield Row("a JPEG", parts(part(drawn(kind="JPEG"), mime="image/jpeg")), FINAL)
    yield Row("a WebP", parts(part(drawn(kind="WEBP", lossless=True), mime="image/webp")), FINAL)
    yield Row("text before it", parts({"text": "Here you are:"}, GOOD), FINAL)
    yield Row("text behind it", parts(GOOD, {"text": "Enjoy."}), FINAL)
    yield Row("drafts without a mark", parts({"text": "first"}, draft, {"text": "better"}, GOOD), FINAL)
    yield Row("drafts as thoughts", parts(thought, thought, GOOD), FINAL, source=f"{PYTHON}/issues/2239")
    yield Row("a thought behind it", parts(GOOD, thought), FINAL)
    yield Row(
        "marked a thought itself",
        parts({"text": "**Plan**", "thought": True}, part(drawn(), thought=True)),
        FINAL,
        source="https://github.com/Lixpi/lixpi/pull/136",
    )
    yield Row("thoughts only", parts(thought, part(drawn(), thought=True)), FINAL, source=f"{LITELLM}/issues/30355")
    yield Row("thought is null", parts({**GOOD, "thought": None}), FINAL)
    yield Row(
        "with a signature",
        parts({**GOOD, "thoughtSignature": "QUJD"}),
        FINAL,
        source="https://github.com/vercel/ai/pull/10462",
    )
    yield Row("broken base64 before it", parts({"inlineData": {"mimeType": "image/png", "data": "a"}}, GOOD), FINAL)
    yield Row("broken base64 behind it", parts(GOOD, {"inlineData": {"mimeType": "image/png", "data": "!"}}), FINAL)
    yield Row("broken bytes behind it", parts(GOOD, part(b"\x89PNG\r\n\x1a\n" + bytes(300))), FINAL)
    yield Row("half a picture behind it", parts(GOOD, part(HALF, mime="image/jpeg")), FINAL)
    yield Row("broken bytes before it", parts(part(b"nothing"), GOOD), FINAL)
    yield Row("inline text behind it", parts(GOOD, part(b"a note", mime="text/plain")), FINAL)
    yield Row("inline sound behind it", parts(GOOD, part(b"RIFF\0\0\0\0WAVEfmt ", mime="audio/wav")), FINAL)
    yield Row("a link to a file beside it", parts({"fileData": {"fileUri": "https://e.com/x.png"}}, GOOD), FINAL)
    yield Row("an empty part behind it", parts(GOOD, {"inlineData": {"mimeType": "image/png", "data": ""}}), FINAL)
    yield Row("a function call beside it", parts({"functionCall": {"name": "f", "args": {}}}, GOOD), FINAL)
    yield Row("code beside it", parts({"executableCode": {"language": "PYTHON", "code": "1"}}, GOOD), FINAL)
    yield Row("null among the parts", parts(None, GOOD, None), FINAL)
    yield Row("no media type", parts(part(drawn(), mime=None)), FINAL)
    yield Row("a wrong media type", parts(part(drawn(), mime="image/jpeg")), FINAL)
    yield Row("a media type that says nothing", parts(part(drawn(), mime="application/octet-stream")), FINAL)
    plain = base64.b64encode(drawn()).decode()
    yield Row("base64 without padding", parts({"inlineData": {"data": plain.rstrip("=")}}), FINAL)
    yield Row("base64 for addresses", parts({"inlineData": {"data": plain.replace("+", "-").replace("/", "_")}}), FINAL)
    yield Row(
        "base64 in lines",
        parts({"inlineData": {"data": "\n".join(plain[i : i + 76] for i in range(0, len(plain), 76))}}),
        FINAL,
    )
    yield Row("a data address", parts({"inlineData": {"data": f"data:image/png;base64,{plain}"}}), FINAL)
    yield Row(
        "a second candidate has it",
        body({"finishReason": "STOP"}, candidate(GOOD)),
        FINAL,
        source=f"{LITELLM}/pull/40864",
    )
    yield Row("a first candidate is blocked", body({"finishReason": "IMAGE_SAFETY"}, candidate(GOOD)), FINAL)
    yield Row("a reason of tomorrow", body(candidate(GOOD, reason="DREAMT")), FINAL)
    yield Row("a reason as a number", body(candidate(GOOD, reason=1)), FINAL)
    yield Row("no reason", body({"content": {"parts": [GOOD]}}), FINAL)
    yield Row("cut short behind it", body(candidate(GOOD, reason="MAX_TOKENS")), FINAL)
    yield Row(
        "ratings that block nothing",
        body(candidate(GOOD, safetyRatings=[{"category": "HARM_CATEGORY_X", "probability": "LOW"}])),
        FINAL,
    )
    yield Row(
        "grounding and citations",
        body(candidate(GOOD, groundingMetadata={"webSearchQueries": ["cat"]}, citationMetadata={"citations": []})),
        FINAL,
    )
    yield Row(
        "fields of tomorrow", parts({**GOOD, "mediaResolution": {"level": "X"}}, modelStatus={"stage": "Y"}), FINAL
    )
    yield Row("a feedback that blocks nothing", parts(GOOD, promptFeedback={"safetyRatings": []}), FINAL)
    yield Row("a stream of one", b"[" + parts(GOOD) + b"]", FINAL)
    yield Row("a byte order mark", b"\xef\xbb\xbf" + parts(GOOD), FINAL)
    yield Row("blanks around it", b"\n\n  " + parts(GOOD) + b"\n\n", FINAL)
    yield Row("compressed", gzip.compress(parts(GOOD)), FINAL, headers={"content-encoding": "gzip"})
    yield Row("no media type of the body", parts(GOOD), FINAL, headers={"content-type": ""})
    yield Row("an error beside a picture", parts(GOOD, error={"code": 500, "message": "late"}), FINAL)
    yield Row("more pixels than asked for", parts(part(drawn(size=(1800, 1200)))), FINAL)
    yield Row(
        "fewer pixels than asked for", parts(part(drawn(size=(720, 480)))), FINAL, says="enlarged to 1024 px", size=1024
    )
    yield Row(
        "a square",
        parts(part(drawn(size=(400, 400)))),
        FINAL,
        says="aspect ratio",
        source="https://github.com/QuantumNous/new-api/issues/2470",
    )
    yield Row("turned by EXIF", parts(part(drawn(size=(320, 480), kind="JPEG", exif=_orientation(6)))), FINAL)
    yield Row("a palette", parts(part(drawn(mode="P"))), FINAL)
    yield Row("with alpha", parts(part(drawn(mode="RGBA"))), FINAL)


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


def bad() -> Iterator[Row]:
    """Answers with a picture that nobody wants, or with none, for no reason that lasts."""
    yield Row(
        "portrait for landscape",
        parts(part(drawn(size=(270, 480)))),
        errors.BadAnswer,
        2,
        says="instead of 3:2",
        source="https://github.com/lelandg/ImageAI/issues/1",
    )
    yield Row("a strip", parts(part(drawn(size=(900, 110)))), errors.BadAnswer, 2, says="instead of 3:2")
    yield Row("a stamp", parts(part(drawn(size=(240, 160)))), errors.BadAnswer, 2, says="only 240 × 160 px", size=1024)
    yield Row(
        "one colour",
        parts(part(_plain(0))),
        errors.BadAnswer,
        2,
        says="one colour",
        source="https://github.com/ShmuelRonen/ComfyUI-Gemini_Flash_2.0_Exp/issues/9",
    )
    yield Row("nearly one colour", parts(part(_plain(3))), errors.BadAnswer, 2, says="one colour")
    yield Row("transparent", parts(part(_transparent())), errors.BadAnswer, 2, says="transparent")
    yield Row("the photo", parts(part(_copy("PNG"))), errors.BadAnswer, 2, says="the photo back")
    yield Row(
        "the photo, encoded again", parts(part(_copy("JPEG", quality=55))), errors.BadAnswer, 2, says="the photo back"
    )
    yield Row("a broken picture", parts(part(b"\x89PNG\r\n\x1a\n" + bytes(500))), errors.BadAnswer, 2)
    yield Row("half a picture", parts(part(HALF, mime="image/jpeg")), errors.BadAnswer, 2)
    yield Row("a drawing of vectors", parts(part(b"<svg xmlns='http://www.w3.org/2000/svg'/>")), errors.BadAnswer, 2)
    yield Row("a GIF", parts(part(drawn(kind="GIF"), mime="image/gif")), errors.BadAnswer, 2)
    yield Row("a page for a picture", parts(part(b"<html>no</html>")), errors.BadAnswer, 2)
    yield Row("under 100 px", parts(part(drawn(size=(96, 64)))), errors.BadAnswer, 2)
    yield Row("a bomb", parts(part(_bomb())), errors.BadAnswer, 2)
    yield Row("text only", parts({"text": "I cannot draw cats."}), errors.BadAnswer, 2, says="I cannot draw cats.")
    yield Row("thinking only", parts({"text": "hm", "thought": True}), errors.BadAnswer, 2)
    yield Row(
        "a draft, then cut short",
        body(candidate(part(drawn(DRAFT), thought=True), reason="MAX_TOKENS")),
        errors.BadAnswer,
        2,
        says="MAX_TOKENS",
    )
    yield Row("an empty object", b"{}", errors.BadAnswer, 2, says="no candidate")
    yield Row("nothing", b"", errors.BadAnswer, 2)
    yield Row("no candidates", body(), errors.BadAnswer, 2)
    yield Row("null candidates", b'{"candidates": null}', errors.BadAnswer, 2)
    yield Row(
        "no content", body({"finishReason": "STOP"}), errors.BadAnswer, 2, says="STOP", source=f"{LITELLM}/pull/40867"
    )
    yield Row("null content", body({"finishReason": "STOP", "content": None}), errors.BadAnswer, 2)
    yield Row(
        "no parts",
        body({"finishReason": "STOP", "content": {"role": "model"}}),
        errors.BadAnswer,
        2,
        source="https://github.com/openclaw/openclaw/issues/130550",
    )
    yield Row("parts that are none", body({"content": {"parts": "text"}}), errors.BadAnswer, 2)
    yield Row(
        "NO_IMAGE",
        body({"finishReason": "NO_IMAGE"}),
        errors.BadAnswer,
        2,
        says="NO_IMAGE",
        source="https://github.com/minimaxir/gemimg/issues/5",
    )
    yield Row(
        "a call of no tool",
        body({"finishReason": "UNEXPECTED_TOOL_CALL"}),
        errors.BadAnswer,
        2,
        source="https://github.com/agentjido/req_llm/issues/944",
    )
    yield Row(
        "IMAGE_OTHER",
        body({"finishReason": "IMAGE_OTHER", "finishMessage": "Try a different prompt."}),
        errors.BadAnswer,
        2,
        says="(IMAGE_OTHER): Try a different prompt.",
    )


def _plain(noise: int) -> bytes:
    grain = np.random.default_rng(1).integers(-noise, noise + 1, (320, 480, 3))
    return _png(Image.fromarray((np.array([10, 20, 200]) + grain).clip(0, 255).astype(np.uint8)))


def _transparent() -> bytes:
    image = Image.open(io.BytesIO(drawn(mode="RGBA")))
    image.putalpha(2)
    return _png(image)


def _copy(kind: str, **how: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(photo().rgb).resize((1024, 682)).save(out, kind, **how)
    return out.getvalue()


def _bomb() -> bytes:
    return _png(Image.new("1", (12_000, 8_000)))


def _png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def blocks() -> Iterator[Row]:
    """Refusals to draw, in a 200."""
    said = "Unable to show the generated image. It may violate the policy."
    yield Row(
        "blocked after drawing",
        body({"finishReason": "IMAGE_SAFETY", "finishMessage": said}),
        errors.SafetyBlock,
        2,
        says=said,
        source="https://github.com/CherryHQ/cherry-studio/issues/3876",
    )
    yield Row(
        "blocked with a draft",
        body(candidate(part(drawn(DRAFT), thought=True), reason="IMAGE_SAFETY")),
        errors.SafetyBlock,
        2,
    )
    yield Row(
        "prohibited",
        body({"finishReason": "PROHIBITED_CONTENT", "finishMessage": "No."}),
        errors.Blocked,
        says="(PROHIBITED_CONTENT): No.",
    )
    yield Row("recited", body({"finishReason": "IMAGE_RECITATION"}), errors.Blocked)
    prompt = {"blockReason": "SAFETY", "blockReasonMessage": "The prompt was blocked."}
    yield Row(
        "the prompt is blocked",
        json.dumps({"promptFeedback": prompt}).encode(),
        errors.SafetyBlock,
        2,
        says="(prompt: SAFETY): The prompt was blocked.",
    )
    yield Row(
        "the prompt is blocked, for another reason", b'{"promptFeedback": {"blockReason": "OTHER"}}', errors.Blocked
    )
    yield Row(
        "a reason that forges log lines",
        body({"finishReason": "SAFETY\r\n2026 ERROR forged"}),
        errors.BadAnswer,
        2,
        says="(SAFETY2026ERRORforged)",
    )


def money() -> Iterator[Row]:
    """Pictures whose counts are missing or wrong: never booked below the price list."""
    rows: dict[str, object] = {
        "no counts": None,
        "an empty usage": {},
        "a usage of traffic only": {"trafficType": "ON_DEMAND"},
        "counts of nothing": {"promptTokenCount": 0, "candidatesTokenCount": 0},
        "a total only": {"totalTokenCount": 1420},
        "the picture counted as text": {
            **COUNTS,
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 1120}],
        },
        "details without a modality": {**COUNTS, "candidatesTokensDetails": [{"tokenCount": 1120}]},
        "too few": {**COUNTS, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 3}]},
        "negative counts": {"promptTokenCount": -(10**9), "candidatesTokenCount": -5},
        "counts as text": {"promptTokenCount": "300", "candidatesTokenCount": "1120"},
        "a usage that is none": "many",
    }
    for name, usage in rows.items():
        yield Row(name, parts(GOOD, usage=usage), FINAL)
    yield Row(
        "more than any ledger holds",
        parts(GOOD, usage={"promptTokenCount": 10**25, "candidatesTokenCount": 10**25}),
        FINAL,
    )
