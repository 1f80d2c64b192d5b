"""The stream of live events. It is on the broker's server, so that a crowd of watchers can't burden the stock server.

`<prefix>:live`         stream of the newest events. Written by the blast runner and the sale poller; expires 1 h after
                        the last event
`<prefix>:live:poller`  string: the process that polls the sales at present. Expires within seconds after that process
                        has ended
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import TemporarilyUnavailable
from app.live.events import Event, position

KEPT_EVENTS = 2000  # some 4 MB; a blast reports 20 times a second, so this holds several runs
LIFE_SECONDS = 3600
POLLER_SECONDS = 2
BLOCK_MS = 400  # below the client's command timeout, which would treat the wait as an outage


class LiveUnavailable(TemporarilyUnavailable):
    """The broker's server is away: no events are published or received, and nothing else is affected."""


class LiveStream:
    """The stream of live events. Each method raises LiveUnavailable if the broker's server is away."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._key = f"{prefix}:live"
        self._poller = f"{prefix}:live:poller"

    async def publish(self, event: Event) -> None:
        """Append the event to the stream."""
        with broker_reachable():
            async with self._redis.pipeline(transaction=False) as pipeline:
                fields: dict[Any, Any] = {"event": event.name, "data": event.data}
                pipeline.xadd(self._key, fields, maxlen=KEPT_EVENTS, approximate=True)
                pipeline.expire(self._key, LIFE_SECONDS)
                await pipeline.execute()

    async def after(self, id_: str, *, wait: bool = False) -> list[Event]:
        """Return the events that follow the entry `id_`, oldest first. With `wait`, wait up to BLOCK_MS for one."""
        with broker_reachable():
            found: Any = await self._redis.xread({self._key: id_}, count=KEPT_EVENTS, block=BLOCK_MS if wait else None)
        return [event_of(entry) for _, entries in found for entry in entries]

    async def last_id(self) -> str:
        """Return the id of the newest entry, or `0-0` if there is none."""
        with broker_reachable():
            newest: Any = await self._redis.xrevrange(self._key, count=1)
        return str(newest[0][0]) if newest else "0-0"

    async def reaches_back_to(self, id_: str) -> bool:
        """Return True if everything that followed `id_` is still in the stream."""
        with broker_reachable():
            oldest: Any = await self._redis.xrange(self._key, count=1)
        try:
            return bool(oldest) and position(oldest[0][0]) <= position(id_) <= position(await self.last_id())
        except ValueError:
            return False

    async def history(self, name: str) -> list[Event]:
        """Return all events of this name that are still in the stream, oldest first."""
        return [event for event in await self.after("0-0") if event.name == name]

    async def take_turn(self, process: str) -> bool:
        """Take or renew the turn to poll the sales, for POLLER_SECONDS. Return False if another process has it.

        Reading and renewing the turn are two commands. If the key expires between them, two processes poll for one
        turn, and watchers receive the same events twice.
        """
        with broker_reachable():
            if await self._redis.set(self._poller, process, nx=True, ex=POLLER_SECONDS):
                return True
            if await self._redis.get(self._poller) != process:
                return False
            await self._redis.expire(self._poller, POLLER_SECONDS)
            return True


@contextmanager
def broker_reachable() -> Iterator[None]:
    """Raise LiveUnavailable in place of the errors of a broker that is away."""
    try:
        yield
    except (OSError, RedisError) as error:
        raise LiveUnavailable(f"The broker can't be reached at present ({type(error).__name__}).") from error


def event_of(entry: tuple[str, dict[str, str]]) -> Event:
    """Return the event of a stream entry."""
    id_, fields = entry
    return Event(fields["event"], fields["data"], id_)
