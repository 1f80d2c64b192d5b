"""Plans for the load generator, and answers of the stand-in service, that several tests of this folder use."""

import asyncio
from collections import Counter
from typing import Any

from app.blasts.load.plan import LoadPlan
from tests.support.stand_in_service import Answer, Seen, StandInService, reserved


def plan(service: StandInService, **options: Any) -> LoadPlan:
    return LoadPlan(**{"url": service.url, "sale": "drop", "records": True, **options})


async def silence(_: Seen) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


def losing_the_first_attempt() -> Any:
    tries: Counter[str] = Counter()

    async def clerk(seen: Seen) -> Answer:
        tries[seen.key] += 1
        return None if tries[seen.key] == 1 else reserved(seen, Idempotent_Replayed="true")

    return clerk
