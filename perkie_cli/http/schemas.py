"""Bodies of requests and answers, as they stand in the OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

_HASH = r"^[0-9a-f]{64}$"
_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$"

Customer = Annotated[str | None, Field(None, description="Shop customer; must be proven by the credential.")]
Session = Annotated[str | None, Field(None, description="Anonymous session of the storefront.")]
Picture = Annotated[str | None, Field(None, description="JPEG, PNG, WebP or HEIC as base64 or data URL.", min_length=1)]
Hash = Annotated[str | None, Field(None, pattern=_HASH, description="SHA-256 of a picture uploaded before.")]


class Identity(BaseModel):
    """Whose pictures these are."""

    customer_id: Customer = None
    session_id: Session = None


class GenerateBody(Identity):
    """One picture in one style: ``image_data`` or ``image_hash``."""

    image_data: Picture = None
    image_hash: Hash = None
    style: str = Field(min_length=1, max_length=100, description="Id or alias.", examples=["ink_wash"])
    remove_background: bool = False


class BatchBody(Identity):
    """One picture in several styles."""

    image_data: Picture = None
    image_hash: Hash = None
    styles: list[str] | str = Field("all", description="Ids or aliases, `all` or `popular`.", max_length=400)
    remove_background: bool = False


class ProcessBody(Identity):
    """One picture, cut out and then drawn."""

    image_data: Picture = None
    image_hash: Hash = None
    strategy: str = Field("hybrid", pattern="^(on_demand|pregenerate|hybrid)$")
    styles: list[str] | str | None = Field(None, description="Instead of the strategy's.", max_length=400)


class UploadBody(Identity):
    """Pictures to keep: `original`, and any `processed_…` beside it, as base64 or data URLs."""

    model_config = ConfigDict(extra="allow")
    original: Picture = None
    images: dict[str, str] | None = Field(None, description="The same pictures by name, instead.")


class QuotaFacts(BaseModel):
    """What is left today."""

    tier: str
    limit: int
    remaining: int
    reset_at: datetime
    warning: str | None = Field(None, description="`low`, `last` or `exhausted`.")


class GenerateAnswer(BaseModel):
    """One finished picture."""

    success: bool = True
    image_url: str = Field(description="Link, or a data URL where the picture could not be stored.")
    expires_at: datetime | None
    original_url: str | None = None
    image_hash: str
    style: str
    cache_hit: bool
    cache: str = Field(description="`hit`, `shared`, `near`, `joined`, `miss` or `off`.")
    engine: str
    model: str
    degraded: bool = False
    degradation_reason: str | None = None
    processing_time: float = Field(description="Seconds.")
    cost_usd: float
    width: int
    height: int
    quota: QuotaFacts | None = Field(None, description="None where the caller is unmetered.")
    warnings: list[str] = []
    request_id: str


class ProblemBody(BaseModel):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:perkie:problem:too_small"])
    title: str
    status: int
    detail: str
    hint: str | None = None
    request_id: str
    retryable: bool
    retry_after: int | None = Field(None, description="Seconds.")


class StyleOutcome(BaseModel):
    """One style of several: a picture or a problem."""

    style: str
    success: bool
    result: GenerateAnswer | None = None
    problem: ProblemBody | None = None


class BatchAnswer(BaseModel):
    """Every style that was asked for, in that order. ``success``: at least one picture."""

    success: bool
    results: list[StyleOutcome]
    quota: QuotaFacts | None = None
    request_id: str


class CutoutAnswer(BaseModel):
    """One cut-out. ``confidence`` is 0..1."""

    image_url: str
    expires_at: datetime | None
    cache_hit: bool
    engine: str
    model: str
    device: str
    confidence: float
    processing_time: float = Field(description="Seconds.")
    width: int
    height: int
    warnings: list[str] = []


class CutoutOutcome(BaseModel):
    """The cut-out, or why there is none."""

    success: bool
    result: CutoutAnswer | None = None
    problem: ProblemBody | None = None


class ProcessAnswer(BaseModel):
    """One pet, cut out and drawn. ``success``: at least one of all that was asked for."""

    success: bool
    image_hash: str
    cutout: CutoutOutcome
    results: list[StyleOutcome]
    quota: QuotaFacts | None = None
    request_id: str


class AcceptedFacts(BaseModel):
    """The first event of a process."""

    image_hash: str
    styles: list[str]
    request_id: str


class DoneFacts(BaseModel):
    """The last event of a process."""

    success: bool
    quota: QuotaFacts | None
    request_id: str


class UploadOutcome(BaseModel):
    """One picture of an upload."""

    name: str
    success: bool
    url: str | None = None
    expires_at: datetime | None = None
    image_hash: str | None = None
    problem: ProblemBody | None = None


class UploadAnswer(BaseModel):
    """Every picture that was sent. ``success``: all of them are kept."""

    success: bool
    uploads: list[UploadOutcome]
    request_id: str


class StyleFacts(BaseModel):
    """One style."""

    id: str
    title: str
    aliases: list[str]
    popular: bool


class StylesAnswer(BaseModel):
    """All styles."""

    styles: list[StyleFacts]


class QuotaAnswer(BaseModel):
    """What the caller has left."""

    quota: QuotaFacts | None
    request_id: str


class TokenAnswer(BaseModel):
    """A token for the shop's widget."""

    token: str
    expires_at: datetime


PICTURES: dict[str, Any] = {"content": {kind: {} for kind in ("image/jpeg", "image/png", "image/webp")}}


def body_of(model: type[BaseModel], *, file_field: str | None = None) -> dict[str, Any]:
    """The OpenAPI request body: JSON, and a form with ``file_field`` beside the model's fields."""
    schema = model.model_json_schema()
    content: dict[str, Any] = {"application/json": {"schema": schema}}
    if file_field is not None:
        properties = {file_field: {"type": "string", "format": "binary"}, **schema["properties"]}
        form = {"type": "object", "properties": properties, "required": schema.get("required", [])}
        content["multipart/form-data"] = {"schema": form}
    return {"requestBody": {"required": True, "content": content}}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The OpenAPI answers of a route that can fail with these."""
    body = {"content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}}
    return {status: {"description": _MEANING[status], **body} for status in statuses}


_MEANING = {
    400: "Malformed",
    401: "No or wrong credentials",
    403: "Not allowed",
    404: "Not found",
    406: "No acceptable media type",
    413: "Too many bytes",
    415: "Not a picture or body of a kind that is read",
    422: "A field or the picture is wrong",
    429: "Quota or rate limit",
    503: "At capacity, or an upstream is down; see Retry-After",
    504: "Deadline",
}
COSTLY = (400, 401, 403, 406, 413, 415, 422, 429, 503, 504)


class HealthAnswer(BaseModel):
    """The process lives."""

    status: str
    version: str


class ReadyAnswer(BaseModel):
    """``status``: `ready`, `unavailable` or `stopping`; ``dependencies`` by name: `ok` or what is wrong."""

    status: str
    dependencies: dict[str, str]
    degraded: list[str]


class WarmupAnswer(BaseModel):
    """``status``: `warm` or `skipped`."""

    status: str
    loaded: list[str]
    seconds: float
