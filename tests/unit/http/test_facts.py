"""What is told of a picture is listed once: envelope, HTTP answer and headers take it from there."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from perkie_cli.domain.cutouts.result import CutoutFacts
from perkie_cli.domain.people.identity import Tier
from perkie_cli.domain.pictures.result import CacheOutcome, PictureFacts
from perkie_cli.domain.quotas.limits import QuotaFacts, QuotaWarning
from perkie_cli.http.answer import schemas
from perkie_cli.http.answer.facts import as_fields, as_headers, header_names

MIDNIGHT = datetime(2026, 11, 30, tzinfo=UTC)
QUOTA = QuotaFacts(Tier.CUSTOMER, 5, 3, 2, MIDNIGHT, QuotaWarning.LOW, degraded=False)
FACTS = PictureFacts(
    style="ink_wash",
    image_hash="ab" * 32,
    cache=CacheOutcome.MISS,
    cache_hit=False,
    engine="gemini",
    model="m",
    degraded=False,
    degradation_reason=None,
    processing_time=0.0421,
    cost_usd=Decimal("0.0336"),
    attempts=1,
    tokens=1400,
    width=1024,
    height=768,
    quota=QUOTA,
    warnings=("soft: größer", "second"),
)


@pytest.mark.parametrize(
    ("answer", "facts", "besides"),
    [
        (schemas.GenerateAnswer, PictureFacts, {"success", "image_url", "expires_at", "original_url", "request_id"}),
        (schemas.CutoutAnswer, CutoutFacts, {"image_url", "expires_at"}),
        (schemas.QuotaFields, QuotaFacts, set()),
    ],
)
def test_an_answer_has_the_facts_and_what_only_http_knows(answer: type, facts: type, besides: set[str]) -> None:
    assert set(answer.model_fields) == {each.name for each in fields(facts)} | besides  # type: ignore[attr-defined]


def test_the_facts_as_an_answer() -> None:
    answer = schemas.GenerateAnswer(
        image_url="u", expires_at=None, original_url=None, request_id="r", **as_fields(FACTS)
    )
    told = answer.model_dump(mode="json")
    assert told["quota"]["reset_at"] == "2026-11-30T00:00:00Z"
    assert (told["cost_usd"], told["cache"], told["warnings"]) == (0.0336, "miss", ["soft: größer", "second"])


def test_the_facts_as_headers() -> None:
    headers = as_headers(FACTS)
    assert headers["X-Perkie-Image-Hash"] == "ab" * 32
    assert headers["X-Perkie-Cache-Hit"] == "false"
    assert headers["X-Perkie-Processing-Time"] == "0.0421"
    assert headers["X-Perkie-Cost-Usd"] == "0.0336"
    assert headers["X-Perkie-Warnings"] == "soft: gr%C3%B6%C3%9Fer; second"
    assert headers["X-Perkie-Quota-Reset-At"] == "2026-11-30T00:00:00+00:00"
    assert "X-Perkie-Degradation-Reason" not in headers
    assert set(headers) <= set(header_names())
