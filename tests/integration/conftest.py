"""Which event loop a test of this folder runs on; an emulated bucket, its signer, and an engine that counts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from tests.clock import ManualClock
from tests.contract.blob_stores import GcsOpener
from tests.engines import Negative
from tests.jumping_loop import JumpingLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Marked ``jumping``: one whose time jumps; else the usual one."""
    if item.get_closest_marker("jumping") is not None:
        return {"jumping": JumpingLoop}
    return {"usual": asyncio.new_event_loop}


@pytest.fixture
def engine() -> Negative:
    return Negative()


@pytest.fixture
async def bucket(clock: ManualClock) -> AsyncIterator[GcsOpener]:
    opener = await GcsOpener(clock).start()
    yield opener
    await opener.aclose()


@pytest.fixture(scope="session")
def signing_key() -> tuple[str, bytes]:
    """PEM of a private key and of its public half."""
    from cryptography.hazmat.primitives import serialization as pem
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()).decode()
    public = key.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo)
    return private, public
