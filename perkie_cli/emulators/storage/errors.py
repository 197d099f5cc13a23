"""The API's error responses."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

from perkie_cli.emulators.http_server import Response

REASONS = {
    304: "notModified",
    400: "invalid",
    401: "authError",
    403: "forbidden",
    404: "notFound",
    405: "methodNotAllowed",
    409: "conflict",
    412: "conditionNotMet",
    416: "requestedRangeNotSatisfiable",
    429: "rateLimitExceeded",
    501: "notImplemented",
    503: "backendError",
}
XML_CODES = {400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}
XML_CODES |= {416: "InvalidRange", 501: "NotImplemented", 503: "ServiceUnavailable"}


class ApiError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str, reason: str | None = None, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason or REASONS.get(status, "error")
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def response(self) -> Response:
        """The error in the JSON API's format; 304 has no body."""
        if self.status == 304:
            return Response(304)
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        body = {"error": {"code": self.status, "message": self.message, "errors": [detail]}}
        return Response(self.status, json.dumps(body).encode(), headers=self.headers)

    def xml(self) -> Response:
        """The error in the XML API's format, for signed URLs."""
        if self.status == 304:
            return Response(304)
        code, message = XML_CODES.get(self.status, "InvalidArgument"), escape(self.message)
        body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return Response(self.status, body.encode(), "application/xml; charset=UTF-8", self.headers)


def not_emulated(what: str) -> ApiError:
    """The error for features of the real service that are not emulated."""
    return ApiError(501, f"{what} is not emulated by perkie.")


def not_found(bucket: str, name: str = "") -> ApiError:
    """The error for a bucket or object that does not exist."""
    return ApiError(404, f"No such object: {bucket}/{name}" if name else "The specified bucket does not exist.")
