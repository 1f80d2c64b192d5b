"""The one stream of live events, on the broker's server: a crowd of watchers can't hurt the stock.

`<prefix>:live`         stream of the newest events. Written by blast runner and sale poller; gone 1 h after the last
`<prefix>:live:poller`  string: which process looks at the sales just now. Gone with that process within seconds
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.errors import TemporarilyUnavailable
from app.live.events import Event, position

KEPT_EVENTS = 2000  # some 4 MB; a blast reports 20 times a second, so that several runs are in it
LIFE_SECONDS = 3600
POLLER_SECONDS = 2
BLOCK_MS = 400  # below the client's command timeout, which would take the wait for an outage


class LiveUnavailable(TemporarilyUnavailable):
    """The broker's server is away: nobody is told anything, and nothing else suffers."""


class LiveStream:
    """Each call raises LiveUnavailable."""

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._key = f"{prefix}:live"
        self._poller = f"{prefix}:live:poller"

    async def publish(self, event: Event) -> None:
        with broker_reachable():
            async with self._redis.pipeline(transaction=False) as pipeline:
                fields: dict[Any, Any] = {"event": event.name, "data": event.data}
                pipeline.xadd(self._key, fields, maxlen=KEPT_EVENTS, approximate=True)
                pipeline.expire(self._key, LIFE_SECONDS)
                await pipeline.execute()

    async def after(self, id_: str, *, wait: bool = False) -> list[Event]:
        """What follows the entry `id_`, oldest first; `wait`: up to BLOCK_MS for the first one."""
        with broker_reachable():
            found: Any = await self._redis.xread({self._key: id_}, count=KEPT_EVENTS, block=BLOCK_MS if wait else None)
        return [told(entry) for _, entries in found for entry in entries]

    async def last_id(self) -> str:
        """Of the newest entry; `0-0` where there is none."""
        with broker_reachable():
            newest: Any = await self._redis.xrevrange(self._key, count=1)
        return str(newest[0][0]) if newest else "0-0"

    async def remembers(self, id_: str) -> bool:
        """Whether everything that followed `id_` is still there."""
        with broker_reachable():
            oldest: Any = await self._redis.xrange(self._key, count=1)
        try:
            return bool(oldest) and position(oldest[0][0]) <= position(id_) <= position(await self.last_id())
        except ValueError:
            return False

    async def history(self, name: str) -> list[Event]:
        """All events of that name that are still there, oldest first."""
        return [event for event in await self.after("0-0") if event.name == name]

    async def is_turn_of(self, process: str) -> bool:
        """Whether `process` is the one that looks; it is for the next POLLER_SECONDS.

        Taking and renewing are two commands. Should the key expire between them two processes look for one turn, and
        watchers are told the same thing twice.
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
    try:
        yield
    except (OSError, RedisError) as error:
        raise LiveUnavailable(f"The broker can't be asked just now ({type(error).__name__}).") from error


def told(entry: tuple[str, dict[str, str]]) -> Event:
    id_, fields = entry
    return Event(fields["event"], fields["data"], id_)
