"""The request to the Gemini API: the scaled photo, the prompt, and the aspect ratio and size of the picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from perkie_cli.domain.frozen import frozen
from perkie_cli.domain.picture import MASTER_QUALITY, ImageFormat
from perkie_cli.imaging import codec

if TYPE_CHECKING:
    from google.genai.types import GenerateContentConfig, PartUnion

    from perkie_cli.domain.money.price_list import ImageModel
    from perkie_cli.imaging.raster import Raster
    from perkie_cli.ports import RenderJob

RATIOS = {
    "1:1": 1.0,
    "2:3": 2 / 3,
    "3:2": 1.5,
    "3:4": 0.75,
    "4:3": 4 / 3,
    "9:16": 9 / 16,
    "16:9": 16 / 9,
    "21:9": 21 / 9,
}


def nearest_ratio(width: int, height: int) -> str:
    """The model's aspect ratio nearest to the photo's, on a logarithmic scale (so that 2:3 mirrors 3:2)."""
    wanted = math.log(width / height)
    return min(RATIOS, key=lambda name: abs(math.log(RATIOS[name]) - wanted))


def reference(raster: Raster, max_side: int) -> bytes:
    """The photo to send: a JPEG of up to ``max_side`` px, transparency over white. Run it in a worker."""
    small = codec.resize(raster, max_side) if raster.long_side > max_side else raster
    return codec.encode(small, ImageFormat.JPEG, MASTER_QUALITY).data


@frozen
class Question:
    """The parts of one request, and the requested shape of the picture."""

    contents: list[PartUnion]
    config: GenerateContentConfig
    image_size: str
    ratio: str


def ask(job: RenderJob, model: ImageModel, photo: bytes) -> Question:
    """Builds the request for one picture and no text."""
    from google.genai.types import AutomaticFunctionCallingConfig, GenerateContentConfig, ImageConfig, Part

    prompt = job.style.safe_prompt if job.safe else job.style.prompt
    image_size = model.image_size(job.size)
    ratio = nearest_ratio(job.raster.width, job.raster.height)
    shape = ImageConfig(aspect_ratio=ratio)
    if len(model.image_tokens) > 1:  # models with one size do not accept the field
        shape.image_size = image_size
    config = GenerateContentConfig(
        response_modalities=["IMAGE"],
        image_config=shape,
        automatic_function_calling=AutomaticFunctionCallingConfig(disable=True),
        should_return_http_response=True,  # read in answer.py
    )
    contents: list[PartUnion] = [Part.from_text(text=prompt), Part.from_bytes(data=photo, mime_type="image/jpeg")]
    return Question(contents, config, image_size, ratio)
