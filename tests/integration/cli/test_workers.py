from __future__ import annotations

import asyncio
import os

import pytest

from perkie_cli.domain.errors import CorruptImage, Unavailable
from perkie_cli.system.processes import process_workers


def fail() -> None:
    raise CorruptImage("pet.jpg is damaged", hint="Save it again.")


async def test_errors_come_out_of_the_process_whole() -> None:
    workers = process_workers(1)
    with pytest.raises(CorruptImage, match=r"pet\.jpg is damaged") as caught:
        await workers.run(fail)
    assert caught.value.hint == "Save it again."
    workers.close()


async def test_a_process_that_dies_fails_those_who_wait_and_nobody_after() -> None:
    workers = process_workers(2)
    dying = [workers.run(os._exit, 9) for _ in range(3)]
    outcomes = await asyncio.gather(*dying, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {Unavailable}
    assert await workers.run(os.getpid) != os.getpid()
    workers.close()
