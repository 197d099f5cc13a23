"""Google's clients for Node do all that a shop's back end does, against the three emulators."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.emulators.run import make_firestore, make_gemini, make_storage, running
from perkie_cli.system.clock import SystemClock
from tests.conftest import CAT
from tests.node_clients import node_folder, run_node


@pytest.fixture(autouse=True)
def node() -> None:
    problem = node_folder()
    if isinstance(problem, str):
        pytest.skip(problem)


@pytest.fixture
def account(tmp_path: Path, signing_key: tuple[str, bytes]) -> Path:
    facts = {"type": "service_account", "project_id": "p", "private_key_id": "1", "client_id": "1"}
    facts |= {"client_email": "shop@p.iam.gserviceaccount.com", "token_uri": "http://127.0.0.1:1/token"}
    (tmp_path / "key.json").write_text(json.dumps({**facts, "private_key": signing_key[0]}))
    return tmp_path / "key.json"


async def test_storage(account: Path) -> None:
    server = make_storage(SystemClock(), signing_keys=[account])
    async with running(server):
        await run_node("storage.mjs", server.url, account)


@pytest.mark.parametrize("transactions", ["optimistic", "pessimistic"])
async def test_firestore(transactions: str) -> None:
    server = make_firestore(SystemClock(), transactions=transactions)
    async with running(server):
        await run_node("firestore.mjs", FIRESTORE_EMULATOR_HOST=server.address)


@pytest.fixture
async def gemini_url() -> AsyncIterator[str]:
    from perkie_cli.emulators.gemini.painter import LocalPainter

    services = build_services(Settings())
    painter = LocalPainter(services.engines["local"], services.styles, services.workers)
    server = make_gemini(painter, services.models, SystemClock())
    async with running(server):
        yield server.url
    await services.aclose()


async def test_gemini(gemini_url: str) -> None:
    await run_node("gemini.mjs", gemini_url, CAT)
