"""A failpoint does nothing until it is armed. An armed one affects exactly one caller, in any process."""

import asyncio
import signal
import subprocess
import sys

import pytest

from app.failpoints import FailpointController, failpoint
from tests.support.until import until


async def test_a_point_that_is_not_armed_stops_no_caller(failpoints: FailpointController) -> None:
    await failpoint("after_stock_read")
    assert not failpoints.happened("after_stock_read", "stop")


async def test_one_of_many_is_stopped_until_it_is_released(failpoints: FailpointController) -> None:
    failpoints.stop_at("lock_held")
    crowd = [asyncio.create_task(failpoint("lock_held")) for _ in range(5)]
    _, stopped = await asyncio.wait(crowd, timeout=5, return_when=asyncio.FIRST_COMPLETED)
    await until(lambda: sum(not task.done() for task in crowd) == 1)
    assert stopped
    assert failpoints.happened("lock_held", "stop")
    failpoints.release("lock_held")
    await asyncio.gather(*crowd)


async def test_a_stopped_caller_goes_on_when_the_scenario_is_over(failpoints: FailpointController) -> None:
    failpoints.stop_at("lock_held")
    stopped = asyncio.create_task(failpoint("lock_held"))
    await asyncio.sleep(0)
    assert failpoints.happened("lock_held", "stop")
    failpoints.clear()
    await stopped


async def test_callers_that_meet_go_on_together(failpoints: FailpointController) -> None:
    failpoints.meet_at("after_stock_read", 3)
    first, second = (asyncio.create_task(failpoint("after_stock_read")) for _ in range(2))
    await asyncio.sleep(0)
    assert not first.done()
    await failpoint("after_stock_read")
    await asyncio.gather(first, second)
    await failpoint("after_stock_read")


async def test_no_caller_is_stopped_forever(failpoints: FailpointController, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the controller has died, a caller stops waiting by itself after a time."""
    monkeypatch.setattr("app.failpoints.MAX_STOP_SECONDS", 0.0)
    failpoints.stop_at("lock_held")
    await failpoint("lock_held")
    assert failpoints.happened("lock_held", "stop")


def test_a_process_dies_once(failpoints: FailpointController) -> None:
    failpoints.kill_at("after_decrement")
    program = "import asyncio; from app.failpoints import failpoint; asyncio.run(failpoint('after_decrement'))"
    exits = [subprocess.run([sys.executable, "-c", program], check=False).returncode for _ in range(2)]
    assert exits == [-signal.SIGKILL, 0]
    assert failpoints.happened("after_decrement", "kill")
