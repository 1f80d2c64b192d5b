"""A buyer sends purchases over one connection. If an outcome is unknown, it sends the same key again."""

import asyncio
import random
from time import monotonic

from app.blasts.load.connection import Connection
from app.blasts.load.failures import ConnectionLost, NoReply, TargetUnreachable
from app.blasts.load.result import ACCEPTED
from app.blasts.load.wire import Reply

CONNECT_SECONDS = 5.0
OPEN_TRIES = 5
FIRST_PAUSE_SECONDS = 0.05
MAX_PAUSE_SECONDS = 2.0  # also limits a Retry-After, because a load has a time limit of its own
RETRYABLE_STATUSES = frozenset({502, 503, 504})
CONTENTION = "contention"


class Buyer:
    """The buyer of one connection. If the connection is lost, it opens another.

    `retries`: how often a purchase is sent again if its outcome is unknown
    `insist`: whether a purchase is sent again after `contention` without counting as a retry
    """

    def __init__(self, host: str, port: int, retries: int, *, insist: bool = False) -> None:
        self._host = host
        self._port = port
        self._retries = retries
        self._insists = insist
        self._connection: Connection | None = None

    async def open(self) -> None:
        """Connect, before the load begins. Raise TargetUnreachable after five tries."""
        for attempt in range(1, OPEN_TRIES + 1):
            try:
                await self._connected()
            except ConnectionLost as failure:
                if attempt == OPEN_TRIES:
                    raise TargetUnreachable(failure.detail) from failure
                await asyncio.sleep(pause_after(attempt, None))
            else:
                return

    async def buy(self, request: bytes, deadline: float) -> tuple[Reply | NoReply, int]:
        """Send a purchase. Return the final answer and the number of attempts.

        No attempt starts after the deadline, a monotonic time.
        """
        attempts = unknown = 0
        while True:
            attempts += 1
            try:
                answer: Reply | NoReply = await (await self._connected()).exchange(request)
            except NoReply as failure:
                answer = failure
            if not should_repeat(answer):
                break
            unknown += not (self._insists and is_contention(answer))
            pause = pause_after(max(1, unknown), answer)
            if unknown > self._retries or monotonic() + pause >= deadline:
                break
            await asyncio.sleep(pause)
        return answer, attempts

    def abort_if_sent_before(self, moment: float) -> None:
        """Give up on a request that was sent before this monotonic time and has no reply."""
        if self._connection is not None:
            self._connection.abort_if_sent_before(moment)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                _, self._connection = await loop.create_connection(Connection, self._host, self._port)
        except OSError as error:  # TimeoutError is one
            raise ConnectionLost(f"{self._host}:{self._port} cannot be reached: {error or 'timed out'}.") from error
        return self._connection


def outcome_of(answer: Reply | NoReply) -> str:
    """Return `accepted`, the slug of the problem, or the reason why there is no reply."""
    if isinstance(answer, NoReply):
        return answer.slug
    return ACCEPTED if answer.status == 200 else answer.problem


def should_repeat(answer: Reply | NoReply) -> bool:
    """Return whether the purchase should be sent again with the same key: there is no reply, or a 502, 503 or 504."""
    return isinstance(answer, NoReply) or answer.status in RETRYABLE_STATUSES


def is_contention(answer: Reply | NoReply) -> bool:
    """Return whether the purchase lost to others and nothing was taken: the only 503 whose outcome is known."""
    return isinstance(answer, Reply) and answer.status == 503 and answer.problem == CONTENTION


def pause_after(attempt: int, answer: Reply | NoReply | None) -> float:
    """Return the seconds to wait after the `attempt`-th attempt.

    That is the server's Retry-After, or a pause that doubles with each attempt. A random factor of 0.5 to 1 spreads the
    buyers.
    """
    retry_after = answer.retry_after if isinstance(answer, Reply) else None
    pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) if retry_after is None else retry_after
    return min(pause, MAX_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311  spreads a crowd, keeps no secret
