"""Read a sale's counters repeatedly while orders are accepted or booked, and compute rates from the readings."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import StatisticsError, linear_regression
from typing import NamedTuple

from app.errors import AtomicTicketsError
from app.lab.bench.stage import Stage
from app.lab.stack.waiting import POLL_SECONDS, in_background, poll, repeat

TIMEOUT_SECONDS = 120.0


class NotBooked(AtomicTicketsError):
    """The backlog of a sale did not become empty in time."""

    status, slug, title = 504, "not-booked", "Not Booked"


class Reading(NamedTuple):
    """The counters of a sale at one moment. `at` is in Unix seconds; `accepted` and `backlog` are numbers of orders."""

    at: float
    accepted: int
    backlog: int


class Follower:
    """The readings of one sale, taken 50 times a second. Each costs the stock server some microseconds."""

    def __init__(self, stage: Stage, sale: str) -> None:
        self.readings: list[Reading] = []
        self._stage = stage
        self._sale = sale

    async def read(self) -> None:
        """Take one reading."""
        counters = await self._stage.counters(self._sale)
        self.readings.append(Reading(time.time(), counters.accepted, counters.backlog))

    async def until_booked(self, since: float) -> float:
        """Return when the backlog was empty for the first time after `since` (Unix seconds). Raise NotBooked."""

        async def first_empty() -> float | None:
            return next((reading.at for reading in self.readings if reading.at >= since and reading.backlog == 0), None)

        at = await poll(first_empty, seconds=TIMEOUT_SECONDS)
        if at is None:
            raise NotBooked(f"After {TIMEOUT_SECONDS:.0f} s the sale {self._sale} still has a backlog.")
        return at


@asynccontextmanager
async def following(stage: Stage, sale: str) -> AsyncIterator[Follower]:
    """Read the counters of the sale in the background while the block runs."""
    follower = Follower(stage, sale)
    async with in_background(repeat(follower.read, every_seconds=POLL_SECONDS)):
        yield follower


def drained_per_second(readings: Sequence[Reading]) -> float:
    """Return the orders booked per second, from the first reading after a booking to the first without a backlog."""
    last_highest = max(readings, key=lambda reading: (reading.backlog, reading.at))
    shrinking = [
        reading for reading in readings if reading.at >= last_highest.at and reading.backlog < last_highest.backlog
    ]
    first, last = shrinking[0], next(reading for reading in shrinking if reading.backlog == 0)
    seconds = last.at - first.at
    return first.backlog / seconds if seconds else 0.0


def persisted_share(readings: Sequence[Reading]) -> float:
    """Return persisted per second over accepted per second in these readings. It is above 1 if the backlog shrinks.

    The rates are slopes by least squares, so that a batch in progress at either end matters little.
    """
    times = [reading.at for reading in readings]
    try:
        accepted = linear_regression(times, [reading.accepted for reading in readings]).slope
        backlog = linear_regression(times, [reading.backlog for reading in readings]).slope
    except StatisticsError:  # fewer than two moments
        return 0.0
    return 1 - backlog / accepted if accepted else 0.0
