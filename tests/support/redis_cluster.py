"""A Redis Cluster of real servers, with real elections: three primaries, the first of which may have a replica."""

from itertools import pairwise
from typing import Any

from redis.asyncio import Redis
from redis.crc import REDIS_CLUSTER_HASH_SLOTS, key_slot

from app.lab.stack.servers.ports import LOOPBACK
from app.lab.stack.servers.valkey import ValkeyServer
from tests.support.until import until

BOUNDS = [share * REDIS_CLUSTER_HASH_SLOTS // 3 for share in range(4)]
FORM_SECONDS = 30


class RedisCluster:
    """A cluster of three primaries, each with a third of the slots.

    `servers` holds the primaries and then, if there is one, the replica of the first primary.
    """

    def __init__(self, servers: list[ValkeyServer]) -> None:
        self.servers = servers
        self.url = "redis+cluster://" + ",".join(f"{LOOPBACK}:{server.port}" for server in servers)

    def primary_of(self, sale: str) -> int:
        """Return the index of the primary to which `form` gives the sale's slot."""
        slot = key_slot(sale.encode())
        return next(index for index, (start, end) in enumerate(pairwise(BOUNDS)) if start <= slot < end)

    def sale_on(self, index: int, named: str = "drop") -> str:
        """Return the name of a sale whose slot `form` gives to that primary."""
        return next(name for name in map(f"{named}-{{}}".format, range(100)) if self.primary_of(name) == index)

    async def run(self, index: int, *command: str) -> Any:
        """Run a command on one server, without following redirections."""
        client: Any  # its execute_command has no types
        async with Redis.from_url(self.servers[index].url, decode_responses=True) as client:
            return await client.execute_command(*command)

    async def form(self, buses: list[int], *, replica: bool) -> None:
        """Join the servers, whose cluster buses have these ports, and return when all of them agree."""
        for index, (start, end) in enumerate(pairwise(BOUNDS)):
            await self.run(index, "CLUSTER ADDSLOTSRANGE", str(start), str(end - 1))
        for server, bus in zip(self.servers[1:], buses[1:], strict=True):
            await self.run(0, "CLUSTER MEET", LOOPBACK, str(server.port), str(bus))
        await until(self._is_complete, seconds=FORM_SECONDS)
        if replica:
            await self.run(3, "CLUSTER REPLICATE", await self.run(0, "CLUSTER MYID"))
            await until(self._has_replica, seconds=FORM_SECONDS)

    async def hand_over(self, slot: int, source: int, target: int) -> None:
        """Move a slot with its keys from one primary to another, as an operator does to rebalance a cluster."""
        await self.begin_hand_over(slot, source, target)
        keys = await self.run(source, "CLUSTER GETKEYSINSLOT", str(slot), "100")
        port = str(self.servers[target].port)
        await self.run(source, "MIGRATE", LOOPBACK, port, "", "0", "5000", "KEYS", *keys)
        for index in (target, source, *{0, 1, 2} - {source, target}):
            await self.run(index, "CLUSTER SETSLOT", str(slot), "NODE", await self.run(target, "CLUSTER MYID"))

    async def begin_hand_over(self, slot: int, source: int, target: int) -> None:
        """Mark the slot as migrating and importing, and move no key yet."""
        ids = {index: await self.run(index, "CLUSTER MYID") for index in (source, target)}
        await self.run(target, "CLUSTER SETSLOT", str(slot), "IMPORTING", ids[source])
        await self.run(source, "CLUSTER SETSLOT", str(slot), "MIGRATING", ids[target])

    async def _is_complete(self) -> bool:
        states = [await self.run(index, "CLUSTER INFO") for index in range(len(self.servers))]
        count = str(len(self.servers))
        return all((state["cluster_state"], state["cluster_known_nodes"]) == ("ok", count) for state in states)

    async def _has_replica(self) -> bool:
        replication = await self.run(3, "INFO", "replication")
        return bool(replication.get("master_link_status") == "up")
