"""Error bodies, and 200s that are no answer."""

from __future__ import annotations

from collections.abc import Iterator

from perkie_cli.domain import errors
from tests.gemini_answers.build import CLI, GOOD, Row, kind, parts, quota, refusal
from tests.gemini_bench import KEY


def refused() -> Iterator[Row]:
    """Error bodies."""
    leaked = "Your API key was reported as leaked. Please use another API key."
    yield Row(
        "a leaked key",
        refusal(403, leaked, "PERMISSION_DENIED"),
        errors.WrongCredentials,
        status=403,
        says=leaked,
        source="https://github.com/continuedev/continue/issues/10513",
    )
    invalid = [{"@type": kind("ErrorInfo"), "reason": "API_KEY_INVALID", "metadata": {"service": "g"}}]
    yield Row(
        "a key that repeats itself",
        refusal(400, f"API key not valid: {KEY}", "INVALID_ARGUMENT", invalid),
        errors.WrongCredentials,
        status=400,
        says="API key not valid: ****",
    )
    yield Row(
        "an expired key",
        refusal(400, "API key expired. Please renew the API key.", "", invalid),
        errors.WrongCredentials,
        status=400,
        says="expired",
    )
    disabled = "Generative Language API has not been used in project 7 before or it is disabled."
    info = {"@type": kind("ErrorInfo"), "reason": "SERVICE_DISABLED"}
    yield Row(
        "a disabled API",
        refusal(403, disabled, "PERMISSION_DENIED", [info]),
        errors.WrongCredentials,
        status=403,
        says=disabled,
        source="https://github.com/google-gemini/deprecated-generative-ai-python/issues/10",
    )
    yield Row(
        "a closed account",
        refusal(403, "Gemini has been disabled in this account for violation of Terms\n\tof Service.", ""),
        errors.WrongCredentials,
        status=403,
        says="violation of Terms of Service",
        source="https://github.com/anomalyco/opencode/issues/11239",
    )
    yield Row(
        "no key at all",
        refusal(401, "API keys are not supported by this API.", "UNAUTHENTICATED"),
        errors.WrongCredentials,
        status=401,
        says="not supported",
        source="https://github.com/googleapis/java-genai/issues/1000",
    )
    yield Row("a bill to pay", refusal(402, "Payment required.", ""), errors.WrongCredentials, status=402)
    credit = "Your prepayment credits are depleted. Please go to AI Studio at https://ai.studio/projects to manage it."
    yield Row(
        "credit that is gone",
        refusal(429, credit, "RESOURCE_EXHAUSTED"),
        errors.WrongCredentials,
        status=429,
        says=credit,
        source="https://github.com/dyad-sh/dyad/issues/3626",
    )
    zero = "Too much.\n* Quota exceeded for metric: free_tier_requests, limit: 0, model: m\nRetry in 5.2s."
    yield Row(
        "a quota of nothing",
        refusal(429, zero, "", quota("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5s")),
        errors.WrongCredentials,
        status=429,
        says="limit: 0",
        source="https://github.com/googleapis/js-genai/issues/1322",
    )
    day = quota("GenerateRequestsPerDayPerProjectPerModel", "41s", quotaValue="100")
    yield Row(
        "a spent day",
        refusal(429, "You exceeded your current quota.", "", day),
        errors.UpstreamExhausted,
        status=429,
        source=f"{CLI}/issues/8437",
    )
    minute = quota("GenerateRequestsPerMinutePerProjectPerModel", "2.5s", quotaValue="10")
    yield Row(
        "a full minute",
        refusal(429, "limit: 10", "RESOURCE_EXHAUSTED", minute),
        errors.UpstreamOverloaded,
        2,
        status=429,
        says="limit: 10",
    )
    yield Row(
        "a full minute that does not say for how long",
        refusal(429, "Resource exhausted. Please try again later.", "RESOURCE_EXHAUSTED"),
        errors.UpstreamOverloaded,
        2,
        status=429,
        source=f"{CLI}/issues/14811",
    )
    yield Row(
        "a full minute, told by header",
        refusal(429, "slow down"),
        errors.UpstreamOverloaded,
        2,
        status=429,
        headers={"retry-after": "3"},
    )
    yield Row("a 429 without JSON", b"Too Many Requests", errors.UpstreamOverloaded, 2, status=429)
    yield Row(
        "an error in a 200",
        refusal(403, "Your key is leaked", "PERMISSION_DENIED"),
        errors.WrongCredentials,
        says="Your key is leaked",
    )
    yield Row("a quota in a 200", refusal(429, "limit: 10", "", minute), errors.UpstreamOverloaded, 2)
    yield Row(
        "a gateway's error in a 200",
        b'{"error": {"code": "http_error", "message": "inside"}}',
        errors.UpstreamBroken,
        2,
        says="inside",
        source="https://github.com/snailyp/gemini-balance/issues/327",
    )
    yield Row("an error as text in a 200", b'{"error": "oh"}', errors.UpstreamBroken, 2)
    place = "User location is not supported for the API use."
    yield Row(
        "a place without the API",
        refusal(400, place, "FAILED_PRECONDITION"),
        errors.WrongCredentials,
        status=400,
        says=place,
    )
    plan = "Gemini API free tier is not available in your country. Please enable billing on your project."
    yield Row(
        "a place without the free plan",
        refusal(400, plan, "FAILED_PRECONDITION"),
        errors.WrongCredentials,
        status=400,
        says=plan,
        source="https://ai.google.dev/gemini-api/docs/troubleshooting",
    )
    yield Row(
        "a precondition of the request",
        refusal(400, "Precondition check failed.", "FAILED_PRECONDITION"),
        errors.UpstreamRefused,
        status=400,
        says="Precondition check failed.",
    )
    field_ = 'Invalid JSON payload received. Unknown name "responseModalities": Cannot find field.'
    yield Row(
        "a field it does not know",
        refusal(400, field_),
        errors.UpstreamRefused,
        status=400,
        says="responseModalities",
        source="https://github.com/googleapis/js-genai/issues/1322",
    )
    gone = "models/x is not found for API version v1beta, or is not supported for generateContent."
    yield Row(
        "a model that is gone",
        refusal(404, gone, "NOT_FOUND"),
        errors.ModelGone,
        status=404,
        says=gone,
        source="https://github.com/presenton/presenton/issues/402",
    )
    yield Row("too large", b"<html>413</html>", errors.UpstreamRefused, status=413)
    yield Row("a proxy that wants a password", b"", errors.WrongCredentials, status=407)
    yield Row(
        "an inner error",
        refusal(500, "An internal error has occurred.", "INTERNAL"),
        errors.UpstreamBroken,
        2,
        status=500,
        says="An internal error",
    )
    yield Row(
        "a page of a gateway",
        b"<html><h1>502 Bad Gateway</h1></html>",
        errors.UpstreamFault,
        3,
        status=502,
        says="(502 Bad Gateway)",
    )
    yield Row(
        "overloaded",
        refusal(503, "The model is overloaded. Please try again later.", "UNAVAILABLE"),
        errors.UpstreamFault,
        3,
        status=503,
        says="overloaded",
    )
    yield Row(
        "out of time",
        refusal(504, "Deadline expired.", "DEADLINE_EXCEEDED"),
        errors.UpstreamTimeout,
        3,
        status=504,
        says="Deadline expired.",
    )
    yield Row("out of time by a gateway", b"", errors.UpstreamTimeout, 3, status=408)
    yield Row("moved", b"", errors.UpstreamFault, 3, status=302, headers={"location": "https://example.com/"})
    yield Row(
        "an error as a list", b"[" + refusal(403, leaked) + b"]", errors.WrongCredentials, status=403, says=leaked
    )
    yield Row("an error with odd details", refusal(400, "no", "", "text"), errors.UpstreamRefused, status=400)
    yield Row("an error of null", b'{"error": null}', errors.UpstreamRefused, status=400)
    yield Row("an error that is a list of texts", b'["no"]', errors.UpstreamRefused, status=400)


def unreadable() -> Iterator[Row]:
    """A 200 that is no answer; it may have been billed."""
    bodies = {
        "a page": b"<html>Something went wrong</html>",
        "half of an answer": parts(GOOD)[:900],
        "null": b"null",
        "an empty list": b"[]",
        "a number": b"7",
        "a text": b'"hello"',
        "a deep nest": b"[" * 200_000 + b"]" * 200_000,
        "a number of ten thousand digits": b'{"usageMetadata": {"promptTokenCount": ' + b"9" * 10_000 + b"}}",
        "candidates of another shape": b'{"candidates": {"finishReason": 7}}',
        "two in a row": parts(GOOD) + parts(GOOD),
    }
    for name, text in bodies.items():
        yield Row(name, text, errors.UpstreamFault, 3, says="cannot be read")
    yield Row("not even text", b"\xff\xfe\x00\x01" * 20, errors.UpstreamFault, 3)
