"""The operator with turns that neither end nor fail, and a probe that notices it after seconds instead of minutes."""

import asyncio

import flashsale_operator.main  # noqa: F401  its handlers
from flashsale_operator import loop
from flashsale_operator.scheduler import LOOP_SECONDS
from flashsale_operator.turns import Turns


async def never(turns: Turns, name: str) -> None:  # noqa: ARG001  as the real one
    await asyncio.Event().wait()


Turns.take = never  # type: ignore[method-assign,assignment]  # it is the fault
loop.STUCK_TURNS_SECONDS = LOOP_SECONDS + 1
