"""The remote engine against a server that behaves, and against all the ways in which one may not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from perkie_cli.bootstrap import Profile, build_services
from perkie_cli.config.schema import CacheSettings, GeminiSettings, HttpSettings, MattingSettings, Settings
from perkie_cli.domain.deadline import Deadline
from perkie_cli.domain.errors import (
    AtCapacity,
    BadAnswer,
    BreakerOpen,
    UpstreamFault,
    UpstreamOverloaded,
    UpstreamRefused,
    UpstreamTimeout,
    WrongCredentials,
)
from perkie_cli.domain.picture import ImageFormat
from perkie_cli.domain.secret import Secret
from perkie_cli.engines.remote import RemoteEngine
from perkie_cli.http.readiness import dependencies, outcome
from perkie_cli.imaging import codec
from perkie_cli.imaging.raster import Raster
from perkie_cli.ports import Matte, MattingJob
from perkie_cli.resilience.guarded import GuardedMattingEngine
from perkie_cli.system.clock import SystemClock
from perkie_cli.system.threads import thread_workers
from tests.http_server import running
from tests.pets import cut_out_pet, pet
from tests.scripted_server import Behaviour, Scripted, answers, hangs_up, scripted

PET, TRUTH = Raster(pet(300, 400)), cut_out_pet(300, 400)[1]


def png(grey: NDArray[np.uint8]) -> bytes:
    return codec.encode(Raster(np.repeat(grey[..., None], 3, 2)), ImageFormat.PNG).data


GOOD = answers(200, png(TRUTH), x_perkie_confidence="0.93", x_perkie_model="inspyrenet-fast", x_perkie_device="cuda:0")


async def matte_from(
    server: Scripted, *, seconds: float = 100.0, key: str | None = None, encoded: bytes | None = b"the upload"
) -> Matte:
    clock = SystemClock()
    engine = RemoteEngine(server.url, key=key, workers=thread_workers(1), clock=clock)
    deadline = Deadline.after(seconds, clock.monotonic())
    try:
        return await engine.matte(MattingJob(PET, "fast", deadline, encoded))
    finally:
        await engine.aclose()


async def test_the_upload_is_sent_as_it_came_and_the_mask_taken() -> None:
    with scripted(GOOD) as server:
        matte = await matte_from(server, key="a key")
    path, headers, body = server.requests[0]
    assert path == "/remove-background?mode=fast&output=mask&format=png&fallback=none"
    assert (headers["x-api-key"], body) == ("a key", b"the upload")
    assert np.array_equal(matte.alpha, TRUTH)
    assert (matte.engine, matte.model, matte.device, matte.confidence) == ("remote", "inspyrenet-fast", "cuda:0", 0.93)


async def test_pixels_alone_are_sent_as_png() -> None:
    with scripted(GOOD) as server:
        await matte_from(server, encoded=None)
    assert server.requests[0][2].startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (answers(500), UpstreamFault),
        (answers(503, retry_after="7"), UpstreamFault),
        (answers(504), UpstreamTimeout),
        (answers(429, retry_after="7"), UpstreamOverloaded),
        (answers(401), WrongCredentials),
        (answers(403), WrongCredentials),
        (answers(404), UpstreamRefused),
        (answers(413), UpstreamRefused),
        (hangs_up, UpstreamFault),
        (answers(200, b"<html>"), BadAnswer),
        (answers(200, b""), BadAnswer),
        (answers(200, png(TRUTH)[:500]), BadAnswer),
        (answers(200, png(TRUTH[:200])), BadAnswer),
        (answers(200, png(TRUTH), x_perkie_confidence="very"), BadAnswer),
    ],
)
async def test_each_fault_is_its_own_error(behaviour: Behaviour, error: type[Exception]) -> None:
    with scripted(behaviour) as server, pytest.raises(error):
        await matte_from(server)


async def test_a_key_that_no_header_can_hold_is_wrong_and_not_shown() -> None:
    with scripted(GOOD) as server, pytest.raises(WrongCredentials) as caught:
        await matte_from(server, key="schlüssel")
    assert "schlüssel" not in repr([caught.value, caught.value.__cause__])
    assert not server.requests


async def test_retry_after_is_passed_on() -> None:
    with scripted(answers(503, retry_after="7")) as server, pytest.raises(UpstreamFault) as caught:
        await matte_from(server)
    assert caught.value.retry_after == 7


async def test_a_service_that_says_nothing_is_not_waited_for() -> None:
    import threading

    over = threading.Event()

    def silent(*_: object) -> None:
        over.wait(20)

    with scripted(silent) as server:
        try:
            with pytest.raises(UpstreamTimeout):
                await matte_from(server, seconds=0.2)
        finally:
            over.set()


async def test_nobody_there() -> None:
    with scripted(GOOD) as server:
        pass
    with pytest.raises(UpstreamFault, match="cannot be reached") as caught:
        await matte_from(server)
    assert "matting.remote_url" in str(caught.value.hint)


async def test_auto_is_remote_inside_its_guard_where_an_address_is_set(tmp_path: Path) -> None:
    with scripted(hangs_up, GOOD) as server:
        settings = Settings(matting=MattingSettings(remote_url=server.url, remote_key=Secret("k")))
        services = build_services(settings, {"HOME": str(tmp_path)})
        engine = services.matting_engines["auto"]
        assert isinstance(engine, GuardedMattingEngine)
        matte = await engine.matte(MattingJob(PET))
        await services.aclose()
    assert matte.engine == "remote"
    assert len(server.requests) == 2  # the first attempt was hung up on


async def test_another_perkie_answers_it() -> None:
    async with running() as server:  # its engine takes the middle for the subject
        clock = SystemClock()
        engine = RemoteEngine(str(server.client.base_url), key=None, workers=thread_workers(1), clock=clock)
        upload = codec.encode(PET, ImageFormat.JPEG).data
        matte = await engine.matte(MattingJob(PET, "fast", Deadline.never(), upload))
        await engine.aclose()
    assert matte.alpha[150, 200] == 255
    assert matte.alpha[10, 10] == 0
    assert (matte.engine, matte.model, matte.device, matte.confidence) == ("remote", "fast", "cpu", 0.9)


def test_what_gemini_allows_holds_no_cut_out_back() -> None:
    settings = Settings(gemini=GeminiSettings(calls_per_minute=1), matting=MattingSettings(remote_url="http://gpu"))
    engine = build_services(settings).remote_matting
    assert isinstance(engine, GuardedMattingEngine)
    limits = engine.guard.limits
    for _ in range(3):
        with limits.slot():
            pass


async def test_ready_tells_that_the_remote_is_left_alone(tmp_path: Path) -> None:
    with scripted(answers(500)) as server:
        settings = Settings(
            http=HttpSettings(role="artistic"),
            matting=MattingSettings(remote_url=server.url),
            cache=CacheSettings(dir=tmp_path),
        )
        services = build_services(settings, profile=Profile.SERVER)
        remote = services.remote_matting
        try:
            (matting,) = [each for each in dependencies(services, "artistic") if each.name == "matting"]
            assert (await outcome(matting.ping), matting.required) == ("ok", False)
            assert server.requests == [], "nobody is woken to find out"
            with pytest.raises(BreakerOpen):
                for _ in range(50):
                    with suppress(UpstreamFault, AtCapacity):
                        await remote.matte(MattingJob(PET, "fast", Deadline.never(), b"the upload"))
            found = await outcome(matting.ping)
            assert isinstance(found, BreakerOpen)
        finally:
            await services.aclose()
