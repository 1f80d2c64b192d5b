"""Send a load to a group of processes, and measure the CPU time that it cost."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from app.blasts.load.plan import MAX_REQUESTS, LoadPlan
from app.blasts.load.process import run_in_process
from app.blasts.load.result import LoadResult
from app.lab.bench.rig import Rig, RunningGroup
from app.lab.bench.usage import Usage

BUYERS = 100
# More than two calls to the gate can hold. With 100 buyers the API waits for the disk a quarter of its time.
CROWD = 400
REPLY_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Loaded:
    """The results of all generators of one load, and its cost.

    `seconds`: from the first request to the last answer
    `cores`: for each API process, the share of a core that it used
    `api_cpu_us`: CPU time of all API processes for one answer, in microseconds
    `stock_server_cpu_us`: CPU time of the stock server for one answer, in microseconds
    `foreign`: cores that other programs used
    """

    results: Sequence[LoadResult]
    seconds: float
    cores: tuple[float, ...]
    api_cpu_us: float
    stock_server_cpu_us: float
    foreign: float

    @property
    def first(self) -> LoadResult:
        return self.results[0]

    def count(self, outcome: str) -> int:
        return sum(result.outcomes.get(outcome, 0) for result in self.results)

    def doubts(self, *expected: str) -> tuple[str, ...]:
        """Return a text for each other outcome than the expected ones. Such a measurement does not count."""
        others = {
            outcome: self.count(outcome) for result in self.results for outcome in result.outcomes.keys() - {*expected}
        }
        return tuple(f"{count} times {outcome}" for outcome, count in others.items())


def closed_loop(url: str, sale: str, seconds: float, buyers: int = CROWD) -> LoadPlan:
    """Return a load in which each buyer sends its next request as soon as it has an answer, until the time is up."""
    return LoadPlan(
        url=url, sale=sale, requests=MAX_REQUESTS, concurrency=buyers, seconds=seconds, reply_seconds=REPLY_SECONDS
    )


async def load(rig: Rig, group: RunningGroup, *plans: LoadPlan) -> Loaded:
    """Run the plans at the same time, each in a generator of its own."""
    usage = Usage([*group.processes, rig.stock_server])
    results = await asyncio.gather(*map(run_in_process, plans))
    usage.stop()
    begun = min(result.started_at for result in results)
    seconds = max(result.started_at + result.seconds for result in results) - begun
    *api, stock_server = usage.seconds
    answers = max(1, sum(result.sent for result in results))
    return Loaded(
        results,
        seconds,
        tuple(used / seconds for used in api),
        sum(api) / answers * 1e6,
        stock_server / answers * 1e6,
        usage.foreign,
    )
