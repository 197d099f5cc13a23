"""`perkie serve` whose state folder is locked by another process, or deleted: every answer says how it was counted."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sqlite3
from pathlib import Path

import httpx

from perkie_cli.services.pictures.generate import QUOTA_IN_MEMORY
from tests.pictures import file_of, photo
from tests.serving import perkie_serve

ENV = {
    **{"PERKIE_QUOTA_COUNT_LOCAL": "true", "PERKIE_STYLE_ENGINE": "local", "PERKIE_HTTP_RATE_BURST": "1000"},
    "PERKIE_STYLE_SIZE": "256",  # what is drawn matters to nobody here
}


async def ask(client: httpx.AsyncClient, number: int) -> dict[str, object]:
    image = base64.b64encode(file_of(photo(256, 256, seed=number))).decode()
    body = {"image_data": image, "style": "bw_fine_art", "session_id": f"s{number}"}
    answer = await client.post("/api/v1/generate", json=body)
    assert answer.status_code == 200, answer.text
    made: dict[str, object] = answer.json()
    return made


def in_memory(answer: dict[str, object]) -> bool:
    quota, warnings = answer["quota"], answer["warnings"]
    assert isinstance(quota, dict)
    assert isinstance(warnings, list)
    assert quota["degraded"] is (QUOTA_IN_MEMORY in warnings)
    return bool(quota["degraded"])


async def test_while_another_process_locks_the_file_every_answer_counts_in_memory_and_says_so(tmp_path: Path) -> None:
    with perkie_serve(tmp_path, env=ENV) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=100) as client:
            assert not in_memory(await ask(client, 0))
            lock = sqlite3.connect(next(tmp_path.rglob("quotas.sqlite")), isolation_level=None)
            lock.execute("BEGIN IMMEDIATE")
            answers = await asyncio.gather(*(ask(client, number) for number in range(1, 5)))
            answers += [await ask(client, number) for number in range(5, 7)]
            assert [in_memory(answer) for answer in answers] == [True] * 6
            lock.execute("ROLLBACK")
            lock.close()
            number = 100
            while in_memory(await ask(client, number)):  # until the next look at the store
                number += 1
                await asyncio.sleep(1)  # each answer is a drawing
        assert server.log.count("is locked by another process") >= 1


async def test_a_state_folder_that_is_deleted_is_told_of_and_made_anew(tmp_path: Path) -> None:
    with perkie_serve(tmp_path, env=ENV) as server:
        async with httpx.AsyncClient(base_url=server.url, timeout=100) as client:
            assert not in_memory(await ask(client, 0))
            shutil.rmtree(next(tmp_path.rglob("quotas.sqlite")).parent)
            await ask(client, 1)
            assert "removed or replaced while in use" in server.log
            number = 100
            while in_memory(await ask(client, number)):  # until the next look at the store
                number += 1
                await asyncio.sleep(1)  # each answer is a drawing
        assert next(tmp_path.rglob("quotas.sqlite")).exists()
