"""Plans for the load generator, and answers of the stand-in service, that several tests of this folder use."""

import asyncio
from collections import Counter
from typing import Any

from app.blasts.load.plan import LoadPlan
from tests.support.stand_in_service import Answer, Request, StandInService, reserved


def plan(service: StandInService, **options: Any) -> LoadPlan:
    return LoadPlan(**{"url": service.url, "sale": "drop", "records": True, **options})


async def silence(_: Request) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def losing_the_first_attempt() -> Any:
    tries: Counter[str] = Counter()

    async def handler(request: Request) -> Answer:
        tries[request.key] += 1
        return None if tries[request.key] == 1 else reserved(request, Idempotent_Replayed="true")

    return handler
