"""Bodies in the shape of the remove.bg API, as they stand in the OpenAPI document."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from perkie_cli.http.answer.schemas import Answer, Body


class RemovebgBody(Body):
    """One of `image_file_b64` and, in a form, `image_file`; at most one background. Empty texts stand for nothing."""

    image_file_b64: str | None = Field(None, description="JPEG, PNG, WebP or HEIC as base64 or data URL.")
    size: Literal["preview", "small", "regular", "medium", "hd", "full", "4k", "50MP", "auto"] = Field(
        "preview", description="Largest result: 0.25, 1.5, 4 megapixels or the whole (PNG 10, JPG and ZIP 25)."
    )
    type: Literal["auto", "person", "product", "car", "animal", "transportation", "graphics", "other"] = Field(
        "auto", description="Told again as `X-Type`; it changes nothing."
    )
    type_level: Literal["none", "1", "2", "latest"] = Field("1", description="`none` leaves `X-Type` out.")
    format: Literal["auto", "png", "jpg", "zip", "webp"] = Field(
        "auto", description="`auto` is PNG where something is transparent, else JPG; `zip` has color.jpg and alpha.png."
    )
    channels: Literal["rgba", "alpha"] = Field("rgba", description="`alpha` for the grey mask.")
    bg_color: str = Field(
        "", description="3, 4, 6 or 8 hexadecimal digits, or a name of CSS.", examples=["81d4fa", "fff8", "green"]
    )
    roi: str = Field("", description="Everything outside is background: x1 y1 x2 y2.", examples=["0% 0% 100% 90%"])
    crop: bool = Field(False, description="Crop to the subject.")
    crop_margin: str = Field(
        "", description="Around it: one, two or four values, at most 500px or 50% a side.", examples=["30px", "5% 10%"]
    )
    scale: str = Field("original", description="Subject to canvas, `10%` to `100%`.", examples=["80%"])
    position: str = Field("", description="`original`, `center`, or one or two values of `0%` to `100%`.")
    semitransparency: bool = Field(True, description="Only changes cars there, and nothing here.")
    add_shadow: bool = Field(False, description="Not made here: only `false` is taken.")


class RemovebgForm(RemovebgBody):
    """The same as a form, with the pictures as files."""

    image_file: bytes | None = Field(None, description="JPEG, PNG, WebP or HEIC.")
    bg_image_file: bytes | None = Field(None, description="A picture behind the pet, scaled to cover the canvas.")


class RemovebgFacts(Answer):
    """The result, and where its subject stands in the picture that was sent."""

    result_b64: str
    foreground_top: int
    foreground_left: int
    foreground_width: int
    foreground_height: int


class RemovebgResult(Answer):
    """The answer to `Accept: application/json`."""

    data: RemovebgFacts


class RemovebgFault(BaseModel):
    """One fault, with the remove.bg API's own code where it has one."""

    title: str = Field(examples=["format 'gif' is not known here"])
    detail: str = Field("", description="What to do about it; left out where nothing is known.")
    code: str = Field(examples=["invalid_format"])


class RemovebgErrors(BaseModel):
    """Every answer that is no success."""

    errors: list[RemovebgFault]


class RemovebgCredits(Answer):
    """Nothing is counted in credits here."""

    total: float
    subscription: float
    payg: float
    enterprise: float


class RemovebgApi(Answer):
    """No size is left out."""

    free_calls: int
    sizes: str


class RemovebgAttributes(Answer):
    """Both sides of an account."""

    credits: RemovebgCredits
    api: RemovebgApi


class RemovebgData(Answer):
    """JSON:API's envelope."""

    attributes: RemovebgAttributes


class RemovebgAccount(Answer):
    """What remove.bg's clients ask before they start."""

    data: RemovebgData

    @classmethod
    def plenty(cls, amount: float) -> RemovebgAccount:
        """With that many credits."""
        credits_ = RemovebgCredits(total=amount, subscription=0, payg=0, enterprise=amount)
        return cls(
            data=RemovebgData(
                attributes=RemovebgAttributes(credits=credits_, api=RemovebgApi(free_calls=0, sizes="all"))
            )
        )
