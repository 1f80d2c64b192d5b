"""Deaths of a worker, and the order of steps in which one loses orders."""

from collections.abc import Sequence

from app.drain.drain import Drain, Drained
from app.drain.stream import Entry, OrderStream
from app.sales.order import parse


class WorkerDied(Exception):
    """Stands for the end of a process: ending the test's own process would end the test."""


class AcknowledgesFirst(Drain):
    """The order of steps turned round: first the stream, then the ledger."""

    async def settle(self, stream: OrderStream, name: str, entries: Sequence[Entry]) -> Drained:
        await stream.acknowledge([parse(name, entry.id, entry.fields) for entry in entries])
        return await super().settle(stream, name, entries)
