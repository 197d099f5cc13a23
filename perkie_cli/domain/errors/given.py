"""What the caller gave is wrong: a file, a picture, a field, a setting."""

from __future__ import annotations

from perkie_cli.domain.errors.base import PerkieError
from perkie_cli.domain.policy import Cover


class BadInput(PerkieError):
    """Something the caller gave is wrong; the same call will fail again."""

    exit_code, http_status = 3, 422


class NotAnImage(BadInput):
    """The bytes are not an image in a format that perkie reads."""

    http_status = 415


class CorruptImage(BadInput):
    """An image with a valid start that does not decode completely."""


class TooManyBytes(BadInput):
    """The upload or file is over the byte limit."""

    http_status = 413


class TooManyPixels(BadInput):
    """The header declares more pixels than allowed; nothing was decoded."""


class TooSmall(BadInput):
    """A side is shorter than the minimum."""


class UnreadableFile(BadInput):
    """Missing, a directory, empty, or not permitted."""

    http_status = 400


class NoPhotos(UnreadableFile):
    """A folder, pattern or list without any photo."""


class UnwritableFile(BadInput):
    """An output, or the folder for it, that cannot be written."""

    http_status = 500


class UnknownStyle(BadInput):
    """No style of that id or alias."""


class InvalidParameter(BadInput):
    """A field, flag or style parameter is out of its range."""


class InvalidIdentity(BadInput):
    """A customer id, session id or address that is not one."""


class InvalidSetting(BadInput):
    """A configuration value that cannot be used; names the file or variable it came from."""

    covered, hidden, sent, ends_run, http_status = Cover.SETUP, True, False, True, 500


class InvalidScenario(BadInput):
    """A load-test scenario, experiment or report that cannot be used; names file, line and field."""


class OutputExists(BadInput):
    """The output path holds a file that perkie did not make."""

    http_status = 409


class NotFound(BadInput):
    """Nothing is stored or served under that name."""

    http_status = 404


class RetiredModel(BadInput):
    """The model was shut down by its maker; names the successor."""

    covered, sent = Cover.SETUP, False


class ProtectedBucket(BadInput):
    """A command would delete in, or change the lifecycle of, a protected bucket."""

    http_status = 403


class LowConfidence(BadInput):
    """No clear subject in the picture (only an error when asked to be strict)."""


class IdempotencyMismatch(BadInput):
    """The same idempotency key came with another payload."""
