"""Measure what WAIT adds to a purchase, with one local replica: `PYTHONPATH=. python tools/measure_wait.py`.

Purchases are made one after another, and in crowds of 128 that share a call.

Both keep an append-only file with `appendfsync always`. Arms alternate, so that both see the same noise of the machine.
"""

import argparse
import asyncio
import time
from contextlib import suppress
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory

from app.gate.batching import PurchaseBatcher
from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.replicas import NO_WAIT, ReplicaWait
from app.gate.replies import GateUnavailable
from app.lab.stack.servers.valkey import ValkeyServer
from app.settings import GateSettings
from tests.support.sales import a_purchase, a_sale, open_sale

ARMS = {"off": NO_WAIT, "WAIT 1 100": ReplicaWait(1, 100)}
CROWD = 128


async def buy(batcher: PurchaseBatcher) -> float:
    """Return the milliseconds that one purchase took, whatever its outcome."""
    begun = time.perf_counter()
    with suppress(GateUnavailable):  # the replica was too slow, so that the purchase took the whole wait
        await batcher.buy(a_purchase())
    return (time.perf_counter() - begun) * 1000


async def one_by_one(batcher: PurchaseBatcher, purchases: int) -> list[float]:
    return [await buy(batcher) for _ in range(purchases)]


async def in_crowds(batcher: PurchaseBatcher, purchases: int) -> list[float]:
    crowds = [await asyncio.gather(*(buy(batcher) for _ in range(CROWD))) for _ in range(purchases // CROWD)]
    return [taken for crowd in crowds for taken in crowd]


async def measure(url: str, rounds: int, purchases: int) -> None:
    settings = GateSettings()
    redis = make_redis(url, "measurement", settings)
    gates = {arm: Gate(redis, "measured", wait=wait) for arm, wait in ARMS.items()}
    gate = gates["off"]
    await gate.load_scripts()
    await open_sale(gate, a_sale(stock=10_000_000))
    batchers = {arm: PurchaseBatcher(each, settings) for arm, each in gates.items()}
    for kind in (one_by_one, in_crowds):
        taken: dict[str, list[list[float]]] = {arm: [] for arm in ARMS}
        for _ in range(rounds):
            for arm, batcher in batchers.items():
                taken[arm].append(await kind(batcher, purchases))
        for arm, found in taken.items():
            print(f"{kind.__name__:<10} {arm:<10} p50 {spread(found, 50)} ms  p99 {spread(found, 99)} ms")
    await redis.aclose()


def spread(rounds: list[list[float]], percent: int) -> str:
    """Return the median of the rounds' percentiles, and the lowest and the highest of them."""
    each = sorted(quantiles(taken, n=100)[percent - 1] for taken in rounds)
    return f"{each[len(each) // 2]:.2f} ({each[0]:.2f} to {each[-1]:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--purchases", type=int, default=1280)
    options = parser.parse_args()
    with TemporaryDirectory(dir=Path.cwd()) as home:  # not in /tmp, which may be in memory
        primary = ValkeyServer(Path(home) / "primary")
        replica = ValkeyServer(Path(home) / "replica", replica_of=primary)
        try:
            primary.start()
            replica.start()
            asyncio.run(measure(primary.url, options.rounds, options.purchases))
        finally:
            replica.kill()
            primary.kill()


if __name__ == "__main__":
    main()
