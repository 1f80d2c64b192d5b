"""Carry the attempts of one process to the ledger in the background, and report the pairs that collided."""

import asyncio
import os
import secrets
from collections import deque
from dataclasses import fields
from itertools import islice

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import TemporarilyUnavailable
from app.ledger.attempts import MAX_PER_ROUND, AttemptRepository
from app.races import spans
from app.races.meters import ATTEMPTS, WITNESSES
from app.sales.attempt import Attempt, RecordedAttempt
from app.settings import ProcessSettings

BATCHING_SECONDS = 0.1
AWAY_SECONDS = 1.0  # the pause before the next try if the ledger is away
CLOSE_SECONDS = 2.0
BATCH = 500  # attempts per transaction; each may form a pair, which makes two spans of a queue of 2,048
MAX_WAITING = 10_000  # attempts, about 5 MB

log = structlog.get_logger()


class AttemptRecorder:
    """The `AttemptSink` of a process that keeps evidence. No task runs while no purchase races.

    A process that is killed loses the attempts in its memory, usually those of a tenth of a second: evidence, but no
    order. A process that dies between the commit and a pair's spans leaves a pair that is in the ledger and in no
    trace.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._ledger = AttemptRepository(engine)
        self._waiting: deque[RecordedAttempt] = deque()
        self._full: set[tuple[str, int]] = set()  # sale and round; each has had 100,000 attempts
        self._overflowed = 0
        self._flushing: asyncio.Task[None] | None = None
        self._pod = ProcessSettings().pod_name
        self._process = str(os.getpid())

    def record(self, attempt: Attempt) -> None:
        """Add an attempt to the batch. Never waits: an attempt that cannot be kept is counted and dropped."""
        if (attempt.sale, attempt.round) in self._full:
            ATTEMPTS.labels("round-full").inc()
            return
        if len(self._waiting) >= MAX_WAITING:
            ATTEMPTS.labels("overflow").inc()
            self._overflowed += 1
            return
        trace_id, span_id = spans.record_window(attempt, self._pod) or (None, None)
        self._waiting.append(
            RecordedAttempt(
                **{field.name: getattr(attempt, field.name) for field in fields(attempt)},
                id=secrets.token_hex(8),
                pod=self._pod,
                process=self._process,
                trace_id=trace_id,
                span_id=span_id,
            )
        )
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._keep_flushing())

    async def close(self) -> None:
        """Send the attempts that wait, for two seconds at most."""
        if self._flushing is not None:
            self._flushing.cancel()  # even in the middle of a batch: a batch that is sent again is kept once
            await asyncio.wait({self._flushing})
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._waiting:
                    await self._flush()
        except (TemporarilyUnavailable, TimeoutError) as error:
            ATTEMPTS.labels("failed").inc(len(self._waiting))
            log.warning("attempts end with their process", attempts=len(self._waiting), error=str(error))

    async def _keep_flushing(self) -> None:
        pause = BATCHING_SECONDS
        while self._waiting:
            await asyncio.sleep(pause)
            try:
                await self._flush()
            except TemporarilyUnavailable as error:
                if pause != AWAY_SECONDS:
                    log.warning("attempts wait for the ledger", attempts=len(self._waiting), error=error.detail)
                pause = AWAY_SECONDS
            else:
                pause = BATCHING_SECONDS

    async def _flush(self) -> None:
        """Send one batch. Raise TemporarilyUnavailable if the ledger is away; the batch is kept for the next try."""
        batch = list(islice(self._waiting, BATCH))
        try:
            kept = await self._ledger.keep(batch)
        except TemporarilyUnavailable:
            raise
        except Exception:  # evidence that cannot be kept must not stop the sale or what follows it
            log.exception("attempts could not be kept", attempts=len(batch))
            ATTEMPTS.labels("failed").inc(len(batch))
        else:
            self._found_full(kept.round_full)
            ATTEMPTS.labels("kept").inc(len(batch) - len(kept.round_full))
            for witness in kept.witnesses:
                spans.record_collision(witness)
                WITNESSES.labels(witness.hazard).inc()
        for _ in batch:
            self._waiting.popleft()
        if self._overflowed:
            log.warning("attempts came faster than the ledger took them", lost=self._overflowed)
            self._overflowed = 0

    def _found_full(self, beyond: list[RecordedAttempt]) -> None:
        ATTEMPTS.labels("round-full").inc(len(beyond))
        for sale, round_ in {(attempt.sale, attempt.round) for attempt in beyond} - self._full:
            self._full.add((sale, round_))
            log.warning("a round has as many attempts as are kept", sale=sale, round=round_, most=MAX_PER_ROUND)
