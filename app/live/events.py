"""What watchers are told, as server-sent events.

`snapshot`   all sales, the newest blasts and facts of the installation: replaces whatever a watcher knew
`sale`       one sale as GET /sales/{sale} tells it, with its tickets as GET /sales/{sale}/tickets
`blast`      one blast as GET /blasts/{blast}; while it runs `progress` has the figures so far
`source`     whether this process hears the events just now: {"state": "ok" | "away", "why"?}
`heartbeat`  nothing happened; the connection lives
`goodbye`    the server ends this connection: {"why": "leaving" | "lagging" | "unavailable"}; come back
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

RECONNECT_MS = 1000
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """`data` is JSON. `id` is the entry's in the stream: None for what concerns this connection alone."""

    name: str
    data: str
    id: str | None = None

    @classmethod
    def of(cls, name: str, data: Any, id_: str | None = None) -> "Event":
        """Dataclasses, moments and enumerations become JSON as the HTTP API writes them."""
        return cls(name, to_json(data).decode(), id_)

    def frame(self) -> bytes:
        """As it goes over the wire. JSON has no line breaks of its own, so that one `data` line holds it."""
        identity = "" if self.id is None else f"id: {self.id}\n"
        return f"{identity}event: {self.name}\ndata: {self.data}\n\n".encode()


def position(id_: str) -> tuple[int, int]:
    """A stream id as numbers that compare. Raises ValueError where it is none."""
    milliseconds, _, sequence = id_.partition("-")
    return int(milliseconds), int(sequence or 0)


def source(why: str | None = None) -> Event:
    """Whether events are heard; `why` not, where they aren't."""
    data: Mapping[str, str] = {"state": "ok"} if why is None else {"state": "away", "why": why}
    return Event.of("source", data)


HEARTBEAT = Event.of("heartbeat", {})
LEAVING = Event.of("goodbye", {"why": "leaving"})
UNAVAILABLE = Event.of("goodbye", {"why": "unavailable"})
LAGGING = Event.of("goodbye", {"why": "lagging"})
