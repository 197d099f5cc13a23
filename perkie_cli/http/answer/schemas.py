"""Bodies of requests and answers, as in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from perkie_cli.domain.people.identity import Tier
from perkie_cli.domain.pictures.result import CacheOutcome
from perkie_cli.domain.pictures.style import BackgroundUse, Strategy, Style
from perkie_cli.domain.quotas.limits import QuotaWarning

_MOST_STYLES = 400  # names, or characters of a text with names
_HASH = r"^[0-9a-f]{64}$"


def _as_text(value: Any) -> Any:
    """Numbers as strings: shops number their customers, and some programs send JSON numbers."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# Documents what ``Owner`` accepts; the domain checks it and names errors. Blank means none, as themes send it.
ID = {"pattern": "^([A-Za-z0-9][A-Za-z0-9_-]{0,127})?$"}
Id = Annotated[str | None, BeforeValidator(_as_text, json_schema_input_type=str | int | None)]
Customer = Annotated[Id, Field(None, description="Shop customer; must be proven by the credential.")]
Session = Annotated[Id, Field(None, description="Anonymous session of the storefront.")]
Picture = Annotated[str | None, Field(None, description="JPEG, PNG, WebP or HEIC as base64 or data URL.")]
Hash = Annotated[str | None, Field(None, pattern=_HASH, description="SHA-256 of a picture uploaded before.")]
PictureBackground = Annotated[
    BackgroundUse | None,
    Field(None, description="How the local engine treats the background; unset: as the style says."),
]
File = Annotated[bytes | None, Field(None, description="JPEG, PNG, WebP or HEIC.")]
Seconds = Annotated[float, Field(description="Seconds.", examples=[0.042])]


def _one_of(values: type[StrEnum], **more: Any) -> Any:
    """A string from ``values``: documented here, checked by the services."""
    return Field(json_schema_extra={"enum": [each.value for each in values]}, **more)


def _not_endless(styles: list[str] | str) -> list[str] | str:
    if len(styles) > _MOST_STYLES:
        raise ValueError(f"more than {_MOST_STYLES} are too many")
    return styles


Styles = Annotated[list[str] | str, AfterValidator(_not_endless)]


class Answer(BaseModel):
    """An answer of the server: every field is always present."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class Body(BaseModel):
    """A request of a client: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Identity(Body):
    """The owner of the pictures."""

    customer_id: Customer = None
    session_id: Session = None


class PhotoBody(Identity):
    """A photo and its owner."""

    image_data: Picture = None
    image_hash: Hash = None


class GenerateBody(PhotoBody):
    """One picture in one style: `image_data` or `image_hash`."""

    style: str = Field(min_length=1, max_length=100, description="Id or alias.", examples=["ink_wash"])
    remove_background: bool = False
    background: PictureBackground = None


class GenerateForm(GenerateBody):
    """The same as a form, with the picture as a file."""

    image: File = None


class BatchBody(PhotoBody):
    """One picture in several styles."""

    styles: Styles = Field(
        "all",
        description="Ids or aliases, `all` or `popular`. Each is charged; left out, all of them.",
        examples=["popular"],
    )
    remove_background: bool = False
    background: PictureBackground = None


class BatchForm(BatchBody):
    """The same as a form, with the picture as a file."""

    image: File = None


class ProcessBody(PhotoBody):
    """One picture, cut out and then drawn."""

    strategy: Strategy = Field(Strategy.HYBRID, description="`on_demand` draws none, `hybrid` the popular styles.")
    styles: Styles | None = Field(None, description="Styles to draw instead of the strategy's.")


class ProcessForm(ProcessBody):
    """The same as a form, with the picture as a file."""

    image: File = None


class UploadBody(Identity):
    """Pictures to store: `original` and any number of `processed_…`, as base64 or data URLs."""

    model_config = ConfigDict(extra="allow")
    original: Picture = None
    images: dict[str, str] | None = Field(None, description="The same pictures by name, as an alternative.")


class UploadForm(Identity):
    """The same as a form, with the pictures as files."""

    model_config = ConfigDict(extra="allow")
    original: File = None


class CutoutForm(BaseModel):
    """A picture as a file."""

    image: bytes = Field(description="JPEG, PNG, WebP or HEIC.")


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(description="`urn:perkie:problem:` and a code.", examples=["urn:perkie:problem:too_small"])
    title: str = Field(examples=["Too small"])
    status: int = Field(examples=[422])
    detail: str = Field(examples=["cat.png is 200 × 180 px; at least 256 px a side are needed"])
    hint: str | None = Field(
        None,
        description="What to do about it.",
        examples=["Send the picture in its full size."],
    )
    request_id: str
    retryable: bool = Field(description="Whether the same request may succeed later.")
    retry_after: int | None = Field(None, description="Seconds.")


class QuotaFields(Answer):
    """Today's quota."""

    tier: str = _one_of(Tier)
    limit: int = Field(examples=[5])
    used: int = Field(examples=[3])
    remaining: int = Field(examples=[2])
    reset_at: datetime
    warning: Annotated[str, _one_of(QuotaWarning)] | None = None
    degraded: bool = Field(False, description="Counted in memory, because the store does not answer.")


class GenerateAnswer(Answer):
    """One finished picture."""

    success: bool = True
    image_url: str = Field(description="Link, or a data URL where the picture could not be stored.")
    expires_at: datetime | None = Field(description="When the links expire; null for a data URL.")
    original_url: str | None = Field(None, description="Link to the uploaded photo, if it was stored.")
    image_hash: str = Field(description="SHA-256 of the upload, to request other styles without sending it again.")
    style: str = Field(examples=["ink_wash"])
    cache_hit: bool
    cache: str = _one_of(CacheOutcome, description="How the cache was involved.")
    engine: str = Field(description="Who drew it.", examples=["gemini"])
    model: str
    degraded: bool = Field(False, description="A substitute: an older picture, or another engine's.")
    degradation_reason: str | None = None
    processing_time: Seconds
    cost_usd: float
    attempts: int = Field(description="Upstream calls; 0 if none were needed.")
    tokens: int
    width: int
    height: int
    quota: QuotaFields | None = Field(None, description="Null if the caller is unmetered.")
    warnings: list[str] = []
    request_id: str


class StyleOutcome(Answer):
    """One style of several: a picture or a problem."""

    style: str
    success: bool
    result: GenerateAnswer | None = None
    problem: ProblemBody | None = None


class BatchAnswer(Answer):
    """Every requested style, in the order of the request. `success`: at least one picture."""

    success: bool
    results: list[StyleOutcome]
    quota: QuotaFields | None = None
    request_id: str


class CutoutAnswer(Answer):
    """One cut-out."""

    image_url: str = Field(description="Link, or a data URL where the picture could not be stored.")
    expires_at: datetime | None = Field(description="When the link expires; null for a data URL.")
    image_hash: str
    cache: str = _one_of(CacheOutcome, description="How the cache was involved.")
    cache_hit: bool
    engine: str
    model: str
    device: str
    degraded: bool = Field(False, description="The builtin engine replaced one that failed.")
    degradation_reason: str | None = None
    confidence: float = Field(description="0 to 1; below 0.5 there is probably no clear subject.")
    processing_time: Seconds
    width: int
    height: int
    warnings: list[str] = []


class CutoutOutcome(Answer):
    """The cut-out, or the reason why there is none."""

    success: bool
    result: CutoutAnswer | None = None
    problem: ProblemBody | None = None


class ProcessAnswer(Answer):
    """One pet, cut out and drawn. `success`: at least one of the requested results."""

    success: bool
    image_hash: str
    cutout: CutoutOutcome
    results: list[StyleOutcome]
    quota: QuotaFields | None = None
    request_id: str


class AcceptedFacts(Answer):
    """The work that will be done."""

    image_hash: str
    styles: list[str]
    request_id: str


class DoneFacts(Answer):
    """The overall result."""

    success: bool
    quota: QuotaFields | None
    request_id: str


class AcceptedEvent(Answer):
    """The first event of a process."""

    event: Literal["accepted"]
    data: AcceptedFacts


class CutoutEvent(Answer):
    """The cut-out is done, or failed."""

    event: Literal["cutout"]
    data: CutoutOutcome


class StyleEvent(Answer):
    """A style is done, or failed."""

    event: Literal["style"]
    data: StyleOutcome


class DoneEvent(Answer):
    """The last event of a process."""

    event: Literal["done"]
    data: DoneFacts


class ErrorEvent(Answer):
    """The last event of a process that failed as a whole."""

    event: Literal["error"]
    data: ProblemBody


class ProcessEvent(
    RootModel[
        Annotated[AcceptedEvent | CutoutEvent | StyleEvent | DoneEvent | ErrorEvent, Field(discriminator="event")]
    ]
):
    """One step: `event` and `data` of a server-sent event, or one message of the WebSocket."""


class UploadOutcome(Answer):
    """One picture of an upload."""

    name: str = Field(examples=["original"])
    success: bool
    url: str | None = None
    expires_at: datetime | None = None
    image_hash: str | None = None
    problem: ProblemBody | None = None


class UploadAnswer(Answer):
    """Every picture that was sent. `success`: all of them were stored."""

    success: bool
    uploads: list[UploadOutcome]
    request_id: str


class StyleFacts(Answer):
    """One style."""

    id: str = Field(examples=["ink_wash"])
    title: str = Field(examples=["Modern"])
    aliases: list[str] = Field(examples=[["modern"]])
    popular: bool = Field(description="Drawn right after the cut-out.")

    @classmethod
    def of(cls, style: Style) -> StyleFacts:
        """The facts of a style."""
        return cls(id=style.id, title=style.title, aliases=list(style.aliases), popular=style.popular)


class StylesAnswer(Answer):
    """All styles."""

    styles: list[StyleFacts]


class WidgetAnswer(Answer):
    """What the widget must know of the server."""

    enabled: bool = Field(description="False: shops show no widget (`http.widget`).")
    version: str = Field(description="Of the widget's files.", examples=["5f2a90c4d1e7"])
    min_side: int = Field(description="Pixels.", examples=[256])
    max_bytes: int = Field(examples=[20971520])
    styles: list[StyleFacts]


class QuotaAnswer(Answer):
    """The caller's remaining quota; null if it is unmetered."""

    quota: QuotaFields | None
    request_id: str


class TokenAnswer(Answer):
    """A token for the shop's widget."""

    token: str
    expires_at: datetime
