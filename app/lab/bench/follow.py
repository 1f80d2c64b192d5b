"""Samples a sale's counters while orders are accepted or booked, and computes rates from the samples."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

from app.errors import AtomicTicketsError
from app.lab.bench.stage import Stage
from app.lab.stack.waiting import LOOK_SECONDS, in_background, poll, repeat

PATIENCE_SECONDS = 120.0


class NotBooked(AtomicTicketsError):
    """The backlog of a sale did not become empty in time."""

    status, slug, title = 504, "not-booked", "Not Booked"


class Look(NamedTuple):
    """One sample. `at` is in Unix seconds; `accepted` and `backlog` are numbers of orders."""

    at: float
    accepted: int
    backlog: int


class Follower:
    """The samples of one sale, taken 50 times a second. Each costs the stock server some microseconds."""

    def __init__(self, stage: Stage, sale: str) -> None:
        self.looks: list[Look] = []
        self._stage = stage
        self._sale = sale

    async def look(self) -> None:
        """Take one sample."""
        counters = await self._stage.counters(self._sale)
        self.looks.append(Look(time.time(), counters.accepted, counters.backlog))

    async def until_booked(self, since: float) -> float:
        """Return when the backlog was empty for the first time after `since` (Unix seconds). Raise NotBooked."""

        async def first_empty() -> float | None:
            return next((look.at for look in self.looks if look.at >= since and look.backlog == 0), None)

        at = await poll(first_empty, seconds=PATIENCE_SECONDS)
        if at is None:
            raise NotBooked(f"After {PATIENCE_SECONDS:.0f} s the sale {self._sale} still has a backlog.")
        return at


@asynccontextmanager
async def following(stage: Stage, sale: str) -> AsyncIterator[Follower]:
    """Sample the sale in the background while the block runs."""
    follower = Follower(stage, sale)
    async with in_background(repeat(follower.look, every_seconds=LOOK_SECONDS)):
        yield follower


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of y over x by least squares, so that a batch in progress at either end matters little."""
    middle_x = sum(x for x, _ in points) / len(points)
    middle_y = sum(y for _, y in points) / len(points)
    spread = sum((x - middle_x) ** 2 for x, _ in points)
    return sum((x - middle_x) * (y - middle_y) for x, y in points) / spread if spread else 0.0


def drained_per_second(looks: Sequence[Look]) -> float:
    """Return the orders booked per second, from the first sample after a booking to the first without a backlog."""
    highest = max(look.backlog for look in looks)
    shrinking = [look for look in looks if look.at >= when_highest(looks) and look.backlog < highest]
    first, last = shrinking[0], next(look for look in shrinking if look.backlog == 0)
    seconds = last.at - first.at
    return first.backlog / seconds if seconds else 0.0


def when_highest(looks: Sequence[Look]) -> float:
    """Return the time of the last sample with the highest backlog."""
    return max(looks, key=lambda look: (look.backlog, look.at)).at


def persisted_share(looks: Sequence[Look]) -> float:
    """Return persisted per second over accepted per second in these samples. It is above 1 if the backlog shrinks."""
    accepted = slope([(look.at, look.accepted) for look in looks])
    persisted = slope([(look.at, look.accepted - look.backlog) for look in looks])
    return persisted / accepted if accepted else 0.0
