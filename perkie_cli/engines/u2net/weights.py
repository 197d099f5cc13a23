"""The weights that ship with perkie."""

from __future__ import annotations

import hashlib
from pathlib import Path

from perkie_cli.domain.errors import BrokenInstall

SHIPPED = Path(__file__).with_name("u2netp.onnx")
SHA256 = "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"


def read_weights(path: Path = SHIPPED) -> bytes:
    """Reads and verifies the ONNX file; the verified bytes are the ones loaded.

    Raises: BrokenInstall when it is missing or is not the file that was shipped.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BrokenInstall(f"the matting weights {path} cannot be read: {error.strerror}") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise BrokenInstall(f"the matting weights {path} are damaged: their SHA-256 is not the shipped one")
    return data
