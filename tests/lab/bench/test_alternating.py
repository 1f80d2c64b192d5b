"""How the cost of telemetry is measured: one process, with and without it in turn."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Message, Receive, Scope, Send

from app.lab.bench.alternating_app import Alternating, Cost, costs_of


def blocks(times: float, speeds: Sequence[float]) -> list[dict[str, Cost]]:
    """Return a block for each speed of the machine. At speed 1 `stub` costs 40 us, and `real` costs `times` as much."""
    return [{"stub": Cost(0.04 / each, 1000), "real": Cost(0.04 * times / each, 1000)} for each in speeds]


def test_what_telemetry_costs_is_seen_though_the_machine_changes_its_speed() -> None:
    costs = costs_of(blocks(1.05, [0.5, 1, 1, 1, 2]), sending_seconds=0)
    assert costs == pytest.approx({"stub": 40, "real": 42})


def test_blocks_in_which_the_machine_stood_still_say_nothing_of_telemetry() -> None:
    stood_still = [{"stub": Cost(0.04, 1000), "real": Cost(4.0, 1000)}, {"stub": Cost(4.0, 1000), "real": Cost(0, 0)}]
    costs = costs_of([*blocks(1.05, [1] * 8), *stood_still], sending_seconds=0)
    assert costs == pytest.approx({"stub": 40, "real": 42})


def test_the_sending_of_spans_is_part_of_what_they_cost() -> None:
    assert costs_of(blocks(1, [1, 1]), sending_seconds=0.01)["real"] == pytest.approx(40 + 5)


async def test_before_a_slice_counts_all_is_answered_that_began_the_other_way() -> None:
    answers: list[asyncio.Event] = []

    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        answers.append(asyncio.Event())
        await answers[-1].wait()

    alternating = Alternating(service)
    request = {"type": "http", "path": "/buy-ticket"}, a_body, no_answer
    before = [asyncio.create_task(alternating(*request)) for _ in range(2)]
    await asyncio.sleep(0)
    settled = asyncio.create_task(alternating.settle())
    await asyncio.sleep(0)
    later = asyncio.create_task(alternating(*request))
    for answer, request_task in zip(answers[:2], before, strict=True):
        assert not settled.done()
        answer.set()
        await request_task
    await settled
    assert not later.done()
    answers[-1].set()
    await later


async def a_body() -> Message:
    raise AssertionError("the service above reads nothing")


async def no_answer(message: Message) -> None:
    raise AssertionError(f"the service above sends nothing: {message}")
