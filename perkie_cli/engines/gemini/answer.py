"""Reads an answer of ``generateContent``: the picture in it, why there is none, and what it took."""

from __future__ import annotations

from typing import TYPE_CHECKING

from perkie_cli.domain.errors import BadAnswer, BadInput, Blocked, PerkieError, SafetyBlock, UpstreamRefused
from perkie_cli.domain.money.price_list import ImageModel
from perkie_cli.domain.money.spend import Usage
from perkie_cli.domain.picture import ImageLimits
from perkie_cli.imaging import codec

if TYPE_CHECKING:
    from google.genai.types import GenerateContentResponse

    from perkie_cli.imaging.raster import Raster

LIMITS = ImageLimits(min_side=100, max_side=8192)  # a picture outside of these counts as corrupt

# Names, not members: reasons newer than the SDK arrive as names only. A reason in neither set is an answer without a
# picture for no reason that would hold the next time, and is asked again.
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


def picture_of(response: GenerateContentResponse) -> bytes | PerkieError:
    """The bytes of the first picture that is no part of the model's thinking, or why there is none:
    SafetyBlock, Blocked, UpstreamRefused or BadAnswer.
    """
    for candidate in response.candidates or []:
        for part in (candidate.content.parts if candidate.content else None) or []:
            if not part.thought and part.inline_data is not None and part.inline_data.data:
                return part.inline_data.data
    return _absence(response)


def _absence(response: GenerateContentResponse) -> PerkieError:
    feedback = response.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        reason = feedback.block_reason.name
        kind = SafetyBlock if reason in _SAFETY else Blocked
        return kind(f"gemini will not draw this picture (prompt: {reason})")
    candidate = response.candidates[0] if response.candidates else None
    finish = candidate.finish_reason if candidate is not None else None
    reason = finish.name if finish is not None else "no candidate"
    if reason in _SAFETY:
        return SafetyBlock(f"gemini will not draw this picture ({reason})")
    if reason in _BLOCKS:
        return Blocked(f"gemini will not draw this picture ({reason})")
    if reason == _ACCOUNT:
        return UpstreamRefused("gemini has limited or disabled this account", hint="See the Google AI Studio notices.")
    return BadAnswer(f"gemini answered without a picture ({reason})")


def usage_of(response: GenerateContentResponse, model: ImageModel, image_size: str, *, drawn: bool) -> Usage:
    """One call's tokens and dollars; by the price list where a drawn picture came without usage metadata."""
    counts = response.usage_metadata
    if counts is None:
        taken, given = (model.input_tokens, model.image_tokens[image_size]) if drawn else (0, 0)
        return Usage(1, taken, given, model.cost(taken, given, 0))
    taken = _count(counts.prompt_token_count)
    candidates, thoughts = _count(counts.candidates_token_count), _count(counts.thoughts_token_count)
    details = counts.candidates_tokens_details
    if details is None:
        image = candidates if drawn else 0
    else:
        image = sum(_count(d.token_count) for d in details if d.modality is not None and d.modality.name == "IMAGE")
    text = max(0, candidates - image) + thoughts
    return Usage(1, taken, image + text, model.cost(taken, image, text))


def _count(value: int | None) -> int:
    return max(0, value or 0)


def decode(data: bytes, size: int) -> Raster:
    """The answered picture with ``size`` px on its long side; for a worker.

    Raises: BadAnswer, when it is no picture, does not decode whole, or is under 100 px a side.
    """
    try:
        raster = codec.decode(data, LIMITS, "gemini's answer").raster
    except BadInput as error:
        raise BadAnswer(error.message) from error
    return raster if raster.long_side == size else codec.resize(raster, size)
