"""The server-sent events that a watcher receives.

`snapshot`   all sales, the newest blasts and facts of the installation; replaces everything that the watcher has
`sale`       one sale: its SaleView, its `resource`, and its tickets as GET /sales/{sale}/tickets returns them
`blast`      one blast as GET /blasts/{blast} returns it; while it runs, `progress` has the figures so far
`source`     whether this process receives live events at present: {"state": "ok" | "away", "reason"?}
`heartbeat`  nothing happened; the connection is alive
`goodbye`    the server ends this connection: {"reason": "leaving" | "lagging" | "unavailable"}; the client reconnects
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

RECONNECT_MS = 1000
HEARTBEAT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `data` is JSON. `id` is its id in the stream, or None if it concerns one connection only."""

    name: str
    data: str
    id: str | None = None

    @classmethod
    def of(cls, name: str, data: Any, id_: str | None = None) -> "Event":
        """Return an event with `data` as JSON. Dataclasses, times and enumerations are written as in the HTTP API."""
        return cls(name, to_json(data).decode(), id_)

    def frame(self) -> bytes:
        """Return the event as bytes for the wire. The JSON has no line breaks, so one `data` line holds it."""
        identity = "" if self.id is None else f"id: {self.id}\n"
        return f"{identity}event: {self.name}\ndata: {self.data}\n\n".encode()


def position(id_: str) -> tuple[int, int]:
    """Return a stream id as two numbers that can be compared. Raise ValueError if it is not a stream id."""
    milliseconds, _, sequence = id_.partition("-")
    return int(milliseconds), int(sequence or 0)


def source(reason: str | None = None) -> Event:
    """Return a `source` event. `reason`: why live events are not received."""
    data: Mapping[str, str] = {"state": "ok"} if reason is None else {"state": "away", "reason": reason}
    return Event.of("source", data)


HEARTBEAT = Event.of("heartbeat", {})
LEAVING = Event.of("goodbye", {"reason": "leaving"})
UNAVAILABLE = Event.of("goodbye", {"reason": "unavailable"})
LAGGING = Event.of("goodbye", {"reason": "lagging"})
