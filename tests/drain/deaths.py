"""The death of a worker, and a drain that takes its steps in the wrong order and so loses orders if its worker dies."""

from collections.abc import Sequence

from app.drain.drain import Drain, Drained
from app.drain.stream import Entry, OrderStream
from app.sales.order import parse_entry


class WorkerDied(Exception):
    """A worker has died. This stands for the end of its process, because a real end would end the test."""


class AcknowledgesFirst(Drain):
    """A drain with its steps in the wrong order: it acknowledges in the stream first, and then writes to the ledger."""

    async def settle(self, stream: OrderStream, name: str, entries: Sequence[Entry]) -> Drained:
        await stream.acknowledge([parse_entry(name, entry.id, entry.fields) for entry in entries])
        return await super().settle(stream, name, entries)
