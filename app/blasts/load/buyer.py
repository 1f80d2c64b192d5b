"""Who stands behind one connection: sends a purchase, and where the outcome is unknown asks again with the same key."""

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
LONGEST_PAUSE_SECONDS = 2.0  # also the most that a Retry-After is honoured for: a load has its own time bound
ASK_AGAIN = frozenset({502, 503, 504})
CONTENTION = "contention"


class Buyer:
    """Owns one connection, and opens another where it was lost."""

    def __init__(self, host: str, port: int, retries: int, *, insist: bool = False) -> None:
        self._host = host
        self._port = port
        self._retries = retries
        self._insists = insist
        self._connection: Connection | None = None

    async def open(self) -> None:
        """Connects, before the start. Raises TargetUnreachable after a few tries."""
        for tried in range(1, OPEN_TRIES + 1):
            try:
                await self._connected()
            except ConnectionLost as failure:
                if tried == OPEN_TRIES:
                    raise TargetUnreachable(failure.detail) from failure
                await asyncio.sleep(pause_before(tried, None))
            else:
                return

    async def buy(self, request: bytes, deadline: float) -> tuple[Reply | NoReply, int]:
        """What the buyer was told finally, and after how many attempts. No attempt starts after the deadline."""
        attempts = unknown = 0
        while True:
            attempts += 1
            try:
                answer: Reply | NoReply = await (await self._connected()).exchange(request)
            except NoReply as failure:
                answer = failure
            if not is_unknown(answer):
                break
            unknown += not (self._insists and is_contention(answer))
            pause = pause_before(max(1, unknown), answer)
            if unknown > self._retries or monotonic() + pause >= deadline:
                break
            await asyncio.sleep(pause)
        return answer, attempts

    def abort_if_sent_before(self, moment: float) -> None:
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
            raise ConnectionLost(f"{self._host}:{self._port} can't be reached: {error or 'timed out'}.") from error
        return self._connection


def outcome_of(answer: Reply | NoReply) -> str:
    """`accepted`, the problem's slug, or why no reply came."""
    if isinstance(answer, NoReply):
        return answer.slug
    return ACCEPTED if answer.status == 200 else answer.problem


def is_unknown(answer: Reply | NoReply) -> bool:
    return isinstance(answer, NoReply) or answer.status in ASK_AGAIN


def is_contention(answer: Reply | NoReply) -> bool:
    """Others were faster, and nothing was taken: the one 503 whose outcome is known."""
    return isinstance(answer, Reply) and answer.status == 503 and answer.problem == CONTENTION


def pause_before(attempt: int, answer: Reply | NoReply | None) -> float:
    """Seconds to wait after the `attempt`-th attempt: what the server asks for, else doubling, spread by half."""
    asked = answer.retry_after if isinstance(answer, Reply) else None
    pause = FIRST_PAUSE_SECONDS * 2 ** (attempt - 1) if asked is None else asked
    return min(pause, LONGEST_PAUSE_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311  spreads a crowd, keeps no secret
