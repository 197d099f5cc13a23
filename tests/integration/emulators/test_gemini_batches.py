"""Files and batches of the Gemini emulator under Google's own client, blocking and asynchronous; and their faults."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from perkie_cli.bootstrap import build_services
from perkie_cli.config.schema import Settings
from perkie_cli.emulators.gemini.plan import GeminiPlan
from perkie_cli.emulators.gemini.server import GeminiEmulator
from perkie_cli.emulators.run import make_gemini, running
from perkie_cli.system.clock import SystemClock

MODEL = "gemini-nano-banana-2.1"
KEYS = ["a", "b", "c", "d"]


class Echo:
    """Answers with the prompt: who reads the answer sees what was asked."""

    async def paint(self, photo: bytes | None, prompt: str, ratio: float | None, side: int) -> bytes:
        return photo or prompt.encode()


@pytest.fixture
async def emulator() -> AsyncIterator[GeminiEmulator]:
    services = build_services(Settings())
    server = make_gemini(Echo(), services.models, SystemClock(), api_key="good")
    async with running(server):
        yield server


@pytest.fixture(params=["aiohttp", "httpx"])
async def client(request: pytest.FixtureRequest, emulator: GeminiEmulator) -> AsyncIterator[genai.Client]:
    """Over both transports that the client has."""
    own = httpx2.AsyncClient() if request.param == "httpx" else None
    options = types.HttpOptions(base_url=emulator.url, api_version="v1beta", httpx_async_client=own)
    made = genai.Client(api_key="good", http_options=options)
    yield made
    await made.aio.aclose()


def plan(emulator: GeminiEmulator, *faults: dict[str, object]) -> None:
    emulator.plan = GeminiPlan.parse({"fault": list(faults)})


def line(key: str) -> dict[str, Any]:
    """One request as a file has it."""
    request = {
        "contents": [{"parts": [{"text": f"draw {key}"}]}],
        "generation_config": {"responseModalities": ["IMAGE"]},
    }
    return {"key": key, "request": request}


def lines() -> bytes:
    return "\n".join(json.dumps(line(key)) for key in KEYS).encode()


async def submitted(client: genai.Client, name: str = "perkie-test") -> types.BatchJob:
    config = types.UploadFileConfig(mime_type="application/jsonl", display_name="requests")
    file = await client.aio.files.upload(file=io.BytesIO(lines()), config=config)
    assert file.name is not None
    return await client.aio.batches.create(model=MODEL, src=file.name, config={"display_name": name})


async def ended(client: genai.Client, job: types.BatchJob) -> types.BatchJob:
    assert job.name is not None
    while job.end_time is None:
        await asyncio.sleep(0.01)
        job = await client.aio.batches.get(name=job.name)
    return job


async def answers(client: genai.Client, job: types.BatchJob, folder: Path) -> dict[str, dict[str, Any]]:
    assert job.dest is not None
    assert job.dest.file_name is not None
    await client.aio.files.download(file=job.dest.file_name, destination=folder / "answers.jsonl")
    rows = [json.loads(each) for each in (folder / "answers.jsonl").read_text().splitlines()]
    assert len(rows) == len({row["key"] for row in rows})
    return {row["key"]: row for row in rows}


async def test_a_file_of_requests_becomes_a_file_of_answers(
    client: genai.Client, emulator: GeminiEmulator, tmp_path: Path
) -> None:
    job = await submitted(client)
    assert (job.display_name, job.model, job.dest) == ("perkie-test", f"models/{MODEL}", None)
    job = await ended(client, job)
    found = await answers(client, job, tmp_path)
    assert sorted(found) == KEYS
    parsed = types.GenerateContentResponse.model_validate(found["c"]["response"])
    assert parsed.parts is not None
    assert parsed.parts[0].inline_data is not None
    assert parsed.parts[0].inline_data.data == b"draw c"
    assert emulator.total == len(KEYS)


async def test_inline_requests_are_answered_in_order_and_the_list_leaves_them_out(client: genai.Client) -> None:
    config = types.GenerateContentConfig(response_modalities=["IMAGE"])
    source = [types.InlinedRequest(contents=f"draw {key}", metadata={"key": key}, config=config) for key in KEYS]
    job = await ended(client, await client.aio.batches.create(model=MODEL, src=source, config={"display_name": "i"}))
    assert job.dest is not None
    assert job.dest.inlined_responses is not None
    assert [each.metadata for each in job.dest.inlined_responses] == [{"key": key} for key in KEYS]
    (listed,) = [each async for each in await client.aio.batches.list()]
    assert (listed.name, listed.dest) == (job.name, None)


async def test_jobs_are_listed_page_by_page_cancelled_and_deleted(
    client: genai.Client, emulator: GeminiEmulator
) -> None:
    plan(emulator, {"kind": "batch_stuck"})
    jobs = [await submitted(client, f"perkie-{number}") for number in range(5)]
    pager = await client.aio.batches.list(config={"page_size": 2})
    assert [each.display_name async for each in pager] == [f"perkie-{number}" for number in (4, 3, 2, 1, 0)]
    name = jobs[0].name
    assert name is not None
    await client.aio.batches.cancel(name=name)
    assert (await client.aio.batches.get(name=name)).state is types.JobState.JOB_STATE_CANCELLED
    assert (await client.aio.batches.delete(name=name)).done
    with pytest.raises(errors.ClientError) as gone:
        await client.aio.batches.get(name=name)
    assert gone.value.code == 404


async def test_files_come_in_pieces_live_for_two_days_and_only_made_ones_are_downloaded(
    client: genai.Client, emulator: GeminiEmulator
) -> None:
    data = bytes(range(256)) * 40_000  # over 8 MiB, which the client sends at once
    config = types.UploadFileConfig(mime_type="application/jsonl", name="big", display_name="big one")
    file = await client.aio.files.upload(file=io.BytesIO(data), config=config)
    assert (file.name, file.size_bytes, file.display_name) == ("files/big", len(data), "big one")
    assert file.expiration_time is not None
    assert file.create_time is not None
    assert (file.expiration_time - file.create_time).days == 2
    assert [each.name async for each in await client.aio.files.list()] == ["files/big"]
    with pytest.raises(errors.ClientError, match="was uploaded"):
        await client.aio.files.download(file="files/big")
    await client.aio.files.delete(name="files/big")
    with pytest.raises(errors.ClientError) as gone:
        await client.aio.files.get(name="files/big")
    assert gone.value.code == 403


async def test_the_blocking_client_does_the_same(emulator: GeminiEmulator, tmp_path: Path) -> None:
    options = types.HttpOptions(base_url=emulator.url, api_version="v1beta")
    path = tmp_path / "requests.jsonl"
    path.write_bytes(lines())

    def work() -> list[str]:
        with genai.Client(api_key="good", http_options=options) as client:
            file = client.files.upload(file=path, config={"mime_type": "application/jsonl"})
            assert file.name is not None
            job = client.batches.create(model=MODEL, src=file.name)
            assert job.name is not None
            while not job.done:
                job = client.batches.get(name=job.name)
            assert [each.name for each in client.batches.list()] == [job.name]
            assert job.dest is not None
            assert job.dest.file_name is not None
            text = client.files.download(file=job.dest.file_name).decode()
            client.files.delete(name=file.name)
            client.batches.delete(name=str(job.name))
            return sorted(json.loads(each)["key"] for each in text.splitlines())

    assert await asyncio.to_thread(work) == KEYS


async def test_what_cannot_be_a_job_is_refused(client: genai.Client) -> None:
    with pytest.raises(errors.ClientError) as unknown:
        await client.aio.batches.create(model="no-such-model", src="files/none")
    assert unknown.value.code == 404
    with pytest.raises(errors.ClientError) as no_file:
        await client.aio.batches.create(model=MODEL, src="files/none")
    assert no_file.value.code == 400


@pytest.mark.filterwarnings("ignore:.*is not a valid JobState")
@pytest.mark.parametrize("client", ["httpx"], indirect=True)
class TestFaults:
    async def test_jobs_that_expire_or_fail_have_no_answers(
        self, client: genai.Client, emulator: GeminiEmulator
    ) -> None:
        plan(emulator, {"kind": "batch_expired", "calls": [1]}, {"kind": "batch_failed", "calls": [2]})
        expired, failed = [await ended(client, await submitted(client)) for _ in range(2)]
        assert (expired.state, expired.dest) == (types.JobState.JOB_STATE_EXPIRED, None)
        assert (failed.state, failed.dest) == (types.JobState.JOB_STATE_FAILED, None)
        assert emulator.total == 0

    @pytest.mark.parametrize(("how", "state"), [("succeeded", "SUCCEEDED"), ("state", "PARTIALLY_SUCCEEDED")])
    async def test_half_of_a_partial_job_is_answered(
        self, client: genai.Client, emulator: GeminiEmulator, tmp_path: Path, how: str, state: str
    ) -> None:
        plan(emulator, {"kind": "batch_partial", "how": how})
        job = await ended(client, await submitted(client))
        assert job.state is not None
        assert state in job.state.name
        assert sorted(await answers(client, job, tmp_path)) == KEYS[:2]

    async def test_a_stuck_job_waits_until_it_is_cancelled_and_has_half(
        self, client: genai.Client, emulator: GeminiEmulator, tmp_path: Path
    ) -> None:
        plan(emulator, {"kind": "batch_stuck", "how": "half"})
        job = await submitted(client)
        assert job.name is not None
        (made,) = emulator.batches.jobs.values()
        assert made.task is not None
        await made.task
        assert (await client.aio.batches.get(name=job.name)).state is types.JobState.JOB_STATE_PENDING
        await client.aio.batches.cancel(name=job.name)
        job = await client.aio.batches.get(name=job.name)
        assert job.state is types.JobState.JOB_STATE_CANCELLED
        assert len(await answers(client, job, tmp_path)) == 2

    async def test_an_unknown_state_ends_with_the_fault(self, client: genai.Client, emulator: GeminiEmulator) -> None:
        plan(emulator, {"kind": "batch_unknown"})
        job = await submitted(client)
        assert job.name is not None
        with pytest.warns(UserWarning, match="AWAITING_REVIEW"):
            job = await client.aio.batches.get(name=job.name)
        assert job.state is not None
        assert "AWAITING_REVIEW" in job.state.name
        plan(emulator)
        assert (await ended(client, job)).state is types.JobState.JOB_STATE_SUCCEEDED

    async def test_the_answer_to_create_is_lost_but_the_job_is_there(
        self, client: genai.Client, emulator: GeminiEmulator
    ) -> None:
        plan(emulator, {"kind": "batch_lost"})
        with pytest.raises(httpx2.HTTPError):
            await submitted(client)
        assert [each.display_name async for each in await client.aio.batches.list()] == ["perkie-test"]

    async def test_a_refused_job_is_none(self, client: genai.Client, emulator: GeminiEmulator) -> None:
        plan(emulator, {"kind": "batch_refused", "status": 429})
        with pytest.raises(errors.ClientError) as refused:
            await submitted(client)
        assert refused.value.code == 429
        assert [each async for each in await client.aio.batches.list()] == []

    async def test_answers_that_cannot_be_fetched(
        self, client: genai.Client, emulator: GeminiEmulator, tmp_path: Path
    ) -> None:
        job = await ended(client, await submitted(client))
        assert job.name is not None
        plan(emulator, {"kind": "batch_unfetched", "how": "get"})
        with pytest.raises(errors.ServerError):
            await client.aio.batches.get(name=job.name)
        plan(emulator, {"kind": "batch_unfetched", "how": "download", "first": 1})
        with pytest.raises(errors.ServerError):
            await answers(client, job, tmp_path)
        assert sorted(await answers(client, job, tmp_path)) == KEYS

    async def test_requests_inside_a_job_meet_the_faults_of_calls(
        self, client: genai.Client, emulator: GeminiEmulator, tmp_path: Path
    ) -> None:
        plan(
            emulator,
            {"kind": "blocked", "calls": [1], "how": "answer"},
            {"kind": "error", "status": 400, "calls": [2]},
            {"kind": "reset", "calls": [3]},
        )
        found = await answers(client, await ended(client, await submitted(client)), tmp_path)
        assert found["a"]["response"]["candidates"][0]["finishReason"] == "SAFETY"
        assert found["b"]["error"]["code"] == 400
        assert "response" in found["c"], "there is no connection to reset"
        assert emulator.counts == {"blocked": 1, "error": 1, "none": 2}
