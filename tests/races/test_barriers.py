"""Points cost nothing until they are armed; armed, they strike one purchase, in whichever process it is."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.races import barriers
from app.races.barriers import Conductor, reached
from tests.support.until import until


@pytest.fixture
def conductor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Conductor:
    monkeypatch.setattr(barriers, "directory", tmp_path)
    conductor = Conductor(tmp_path)
    conductor.clear()
    return conductor


async def test_a_point_that_is_not_armed_stops_nobody(conductor: Conductor) -> None:
    await reached("after_read")
    assert not conductor.happened("after_read", "stop")


async def test_one_of_many_stands_until_it_is_released(conductor: Conductor) -> None:
    conductor.stop_at("lock_held")
    crowd = [asyncio.create_task(reached("lock_held")) for _ in range(5)]
    _, standing = await asyncio.wait(crowd, timeout=5, return_when=asyncio.FIRST_COMPLETED)

    async def one_stands() -> bool:
        return sum(not task.done() for task in crowd) == 1

    await until(one_stands)
    assert standing
    assert conductor.happened("lock_held", "stop")
    conductor.release("lock_held")
    await asyncio.gather(*crowd)


async def test_whoever_stands_goes_on_when_the_scenario_is_over(conductor: Conductor) -> None:
    conductor.stop_at("lock_held")
    standing = asyncio.create_task(reached("lock_held"))
    await asyncio.sleep(0)
    assert conductor.happened("lock_held", "stop")
    conductor.clear()
    await standing


async def test_those_who_meet_go_on_together(conductor: Conductor) -> None:
    conductor.meet_at("after_read", 3)
    first, second = (asyncio.create_task(reached("after_read")) for _ in range(2))
    await asyncio.sleep(0)
    assert not first.done()
    await reached("after_read")
    await asyncio.gather(first, second)
    await reached("after_read")


def test_a_process_dies_once(tmp_path: Path) -> None:
    Conductor(tmp_path).kill_at("after_decrement")
    program = "import asyncio; from app.races.barriers import reached; asyncio.run(reached('after_decrement'))"
    command = [sys.executable, "-c", program]
    environment = os.environ | {"RACE_BARRIERS": str(tmp_path)}
    exits = [subprocess.run(command, env=environment, check=False).returncode for _ in range(2)]
    assert exits == [-signal.SIGKILL, 0]
    assert Conductor(tmp_path).happened("after_decrement", "die")
