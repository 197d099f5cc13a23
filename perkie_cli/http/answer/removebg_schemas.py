"""Bodies in the format of the remove.bg API, as in the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from perkie_cli.http.answer.schemas import Answer, Body


class RemovebgBody(Body):
    """One of `image_file_b64` and, in a form, `image_file`; at most one background. Empty strings count as absent."""

    image_file_b64: str | None = Field(None, description="JPEG, PNG, WebP or HEIC as base64 or data URL.")
    size: Literal["preview", "small", "regular", "medium", "hd", "full", "4k", "50MP", "auto"] = Field(
        "preview", description="Largest result: 0.25, 1.5, 4 megapixels or the whole (PNG 10, JPG and ZIP 25)."
    )
    type: Literal["auto", "person", "product", "car", "animal", "transportation", "graphics", "other"] = Field(
        "auto", description="Returned as `X-Type`; has no other effect."
    )
    type_level: Literal["none", "1", "2", "latest"] = Field("1", description="`none` leaves `X-Type` out.")
    format: Literal["auto", "png", "jpg", "zip", "webp"] = Field(
        "auto",
        description="`auto` is PNG if anything is transparent, else JPG; `zip` contains color.jpg and alpha.png.",
    )
    channels: Literal["rgba", "alpha"] = Field("rgba", description="`alpha` returns the grey mask.")
    bg_color: str = Field(
        "", description="3, 4, 6 or 8 hexadecimal digits, or a CSS colour name.", examples=["81d4fa", "fff8", "green"]
    )
    roi: str = Field("", description="x1 y1 x2 y2; everything outside is background.", examples=["0% 0% 100% 90%"])
    crop: bool = Field(False, description="Crop to the subject.")
    crop_margin: str = Field(
        "",
        description="Margin around the subject: one, two or four values, up to 500px or 50% per side.",
        examples=["30px", "5% 10%"],
    )
    scale: str = Field(
        "original", description="Size of the subject relative to the canvas, `10%` to `100%`.", examples=["80%"]
    )
    position: str = Field("", description="`original`, `center`, or one or two values of `0%` to `100%`.")
    semitransparency: bool = Field(True, description="Has no effect here; on remove.bg it only affects cars.")
    add_shadow: bool = Field(False, description="Not supported: only `false` is accepted.")


class RemovebgForm(RemovebgBody):
    """The same as a form, with the pictures as files."""

    image_file: bytes | None = Field(None, description="JPEG, PNG, WebP or HEIC.")
    bg_image_file: bytes | None = Field(None, description="A picture behind the pet, scaled to cover the canvas.")


class RemovebgFacts(Answer):
    """The result, and the position of its subject in the sent picture."""

    result_b64: str
    foreground_top: int
    foreground_left: int
    foreground_width: int
    foreground_height: int


class RemovebgResult(Answer):
    """The answer to `Accept: application/json`."""

    data: RemovebgFacts


class RemovebgFault(BaseModel):
    """One error, with the remove.bg API's own code if it has one."""

    title: str = Field(examples=["format 'gif' is not known here"])
    detail: str = Field("", description="What to do about it; left out if nothing is known.")
    code: str = Field(examples=["invalid_format"])


class RemovebgErrors(BaseModel):
    """Every answer that is not a success."""

    errors: list[RemovebgFault]


class RemovebgCredits(Answer):
    """Credits; perkie does not count any."""

    total: float
    subscription: float
    payg: float
    enterprise: float


class RemovebgApi(Answer):
    """Limits by size; perkie has none."""

    free_calls: int
    sizes: str


class RemovebgAttributes(Answer):
    """The attributes of an account."""

    credits: RemovebgCredits
    api: RemovebgApi


class RemovebgData(Answer):
    """The JSON:API envelope."""

    attributes: RemovebgAttributes


class RemovebgAccount(Answer):
    """The account that remove.bg's clients check before they start."""

    data: RemovebgData

    @classmethod
    def plenty(cls, amount: float) -> RemovebgAccount:
        """An account with that many credits."""
        credits_ = RemovebgCredits(total=amount, subscription=0, payg=0, enterprise=amount)
        return cls(
            data=RemovebgData(
                attributes=RemovebgAttributes(credits=credits_, api=RemovebgApi(free_calls=0, sizes="all"))
            )
        )
