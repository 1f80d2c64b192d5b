"""The costs of a race: PostgreSQL is sampled while it runs; Redis and the API are read before and after it."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from prometheus_client.parser import text_string_to_metric_families
from redis.asyncio import Redis
from urllib3.exceptions import HTTPError

from app.client import get
from app.lab.race.target import Target

SAMPLE_SECONDS = 0.02
API_CONNECTIONS = "atomictickets.api"  # the `application_name` of the API's connections to the ledger
ACTIVITY = """
    SELECT count(*) FILTER (WHERE state <> 'idle') AS held, count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting
    FROM pg_stat_activity WHERE application_name = $1 AND datname = current_database()
"""
BOOKED = "SELECT coalesce(sum(quantity), 0) FROM bookings WHERE sale = $1 AND status = 'booked'"
RETRIES = "atomictickets_purchase_retries_total"
ABORTS = frozenset({"40001", "40P01"})  # SQLSTATEs with which PostgreSQL aborts: serialization failure, deadlock
NO_PURCHASE = ("client|", "config|", "info", "hello", "ping", "function|", "script|", "auth", "select", "command|")


@dataclass
class LedgerSamples:
    """Samples of the ledger during one run.

    `count`: number of samples of the API's connections
    `held_most`, `held_sum`: connections that were not idle, the most in one sample and the sum over all samples
    `waiting_seconds`: time that connections waited for locks, added up over all connections
    `booked`: (Unix seconds, tickets booked) in each sample
    """

    count: int = 0
    held_most: int = 0
    held_sum: int = 0
    waiting_seconds: float = 0.0
    booked: list[tuple[float, int]] = field(default_factory=list)

    @property
    def held_mean(self) -> float:
        return self.held_sum / self.count if self.count else 0.0

    def first_with(self, tickets: int) -> float | None:
        """Return the time of the first sample with so many tickets booked, or None."""
        return next((at for at, booked in self.booked if booked >= tickets), None)


class LedgerWatch:
    """A watch that samples the ledger for one sale. The caller repeats `sample`, at most fifty times a second."""

    def __init__(self, connection: "asyncpg.Connection[Any]", sale: str) -> None:
        self._connection = connection
        self._sale = sale
        self.samples = LedgerSamples()
        self._sampled_at = time.monotonic()

    async def sample(self) -> None:
        """Take one sample. A connection that waits now counts as waiting since the last sample."""
        samples = self.samples
        row = await self._connection.fetchrow(ACTIVITY, API_CONNECTIONS)
        booked = await self._connection.fetchval(BOOKED, self._sale)
        now = time.monotonic()
        if row is not None:
            samples.count += 1
            samples.held_sum += row["held"]
            samples.held_most = max(samples.held_most, row["held"])
            samples.waiting_seconds += row["waiting"] * (now - self._sampled_at)
        samples.booked.append((time.time(), booked))
        self._sampled_at = now


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters of Redis and of one strategy, whose difference over a run is its cost.

    `calls`: commands that Redis executed, also inside scripts
    `reads`: requests that Redis read from its connections, each with one command or many
    `retries`: attempts of the strategy that lost to another purchase, over all API processes
    `aborts`: those of the retries that PostgreSQL aborted
    """

    calls: int
    reads: int
    retries: int
    aborts: int

    def since(self, before: "Counters") -> "Counters":
        """Return the difference to earlier counters."""
        return Counters(
            self.calls - before.calls,
            self.reads - before.reads,
            self.retries - before.retries,
            self.aborts - before.aborts,
        )


async def counters_of(target: Target, strategy: str) -> Counters:
    """Read the counters. Those of Redis are 0 if the race has no access to it."""
    calls, reads = await redis_counters(target.redis_url) if target.redis_url else (0, 0)
    retries = await asyncio.to_thread(retries_at, target.api_url, strategy)
    aborts = sum(count for reason, count in retries.items() if reason in ABORTS)
    return Counters(calls, reads, sum(retries.values()), aborts)


async def redis_counters(url: str) -> tuple[int, int]:
    """Return the calls and reads of Redis. Calls for connections and administration are not counted."""
    async with Redis.from_url(url) as redis:
        commands = await redis.info("commandstats")
        server = await redis.info("stats")
    calls = sum(
        stats["calls"] for name, stats in commands.items() if not name.removeprefix("cmdstat_").startswith(NO_PURCHASE)
    )
    return calls, int(server["total_reads_processed"])


def retries_at(api_url: str, strategy: str) -> dict[str, int]:
    """Return the strategy's retries by reason, from /metrics. They are empty if the service is away.

    Parsing the page takes 5 to 20 ms, depending on the number of active sales.
    """
    retries: Counter[str] = Counter()
    try:
        page = get(f"{api_url.rstrip('/')}/metrics", 10).data.decode()
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                if sample.name == RETRIES and sample.labels["strategy"] == strategy:
                    retries[sample.labels["reason"]] += int(sample.value)
    except (HTTPError, ValueError):  # ValueError: an answer without metrics
        return {}
    return retries
