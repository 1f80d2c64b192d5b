"""Wait until replicas have an order before its buyer is told of it (`WAIT`).

Replication is asynchronous, so a promoted replica may lack orders that buyers were told of. With this option such an
order's outcome is unknown to its buyer, who asks again with the same key, until enough replicas have it.

`WAIT` follows the script's reply on the same connection, in a second round trip. In the same one, it would also hold up
each refusal, which promises nothing, for the whole time that a replica is away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from hiredis import pack_command
from redis.asyncio.connection import AbstractConnection

from app.gate.replies import HEADER, WIDTH
from app.settings import GateSettings

MARK_LIFE_MS = 1000  # the mark is never read


@dataclass(frozen=True, slots=True)
class ReplicaWait:
    """How many replicas must have an order, and how long one call waits for them. 0 replicas: nothing is waited for."""

    replicas: int = 0
    milliseconds: int = 100

    @classmethod
    def of(cls, settings: GateSettings) -> Self:
        return cls(settings.wait_replicas, settings.wait_milliseconds)

    async def confirms(self, connection: AbstractConnection, reply: Sequence[Any], sale: str) -> bool:
        """Return whether enough replicas have every order that `reply` (of reserve.lua) promises.

        `connection` is the one over which the reply came, `sale` the key of the sale's hash. Raise as a command does.
        """
        if not self.replicas or {"reserved", "replayed"}.isdisjoint(reply[HEADER::WIDTH]):
            return True
        if not any(reply[HEADER + WIDTH - 1 :: WIDTH]):  # the numbers of new orders
            # WAIT waits for the last write of its connection. After a script that only read, it returned at once
            # although the replica stood still (measured, Valkey 9.1). A replica that has the mark has what came before.
            await ask(connection, "SET", f"{sale}:wait", "", "PX", MARK_LIFE_MS)
        return int(await ask(connection, "WAIT", self.replicas, self.milliseconds)) >= self.replicas


NO_WAIT = ReplicaWait()


async def ask(connection: AbstractConnection, *command: str | int) -> Any:
    await connection.send_packed_command([pack_command(command)])  # type: ignore[arg-type]  # its stub lacks an ellipsis
    return await connection.read_response()
