"""The API's way to say no."""

from __future__ import annotations

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
    503: "backendError",
}


class ApiError(Exception):
    """An answer with an error status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def response(self) -> Response:
        """As the JSON API words it; 304 has no body."""
        if self.status == 304:
            return Response(304)
        reason = REASONS.get(self.status, "error")
        detail = {"message": self.message, "domain": "global", "reason": reason}
        body = {"error": {"code": self.status, "message": self.message, "errors": [detail]}}
        return Response.of(body, self.status)

    def xml(self) -> Response:
        """As the XML API words it, which answers signed URLs."""
        body = f"<?xml version='1.0' encoding='UTF-8'?><Error><Message>{self.message}</Message></Error>"
        return Response(self.status, body.encode(), "application/xml; charset=UTF-8")


def not_found(bucket: str, name: str = "") -> ApiError:
    """No such bucket or object."""
    return ApiError(404, f"No such object: {bucket}/{name}" if name else "The specified bucket does not exist.")
