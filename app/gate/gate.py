"""The gate: purchases decided by scripts on the stock server (Redis or Valkey).

One script call decides a purchase, and nobody sees half of it. (reserve.lua says what a failing script leaves.)
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import datetime
from typing import Any, ClassVar

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.gate.availability import stock_server_reachable
from app.gate.cluster import on_server_of
from app.gate.keys import ANSWER_LIFE_SECONDS, SaleKeys
from app.gate.replies import BatchReply, Entry, FencingToken, GateSnapshot, RestoredOrder
from app.gate.scripts import Scripts, digest
from app.gate.server import claim
from app.sales.model import Purchase, ReservationId, Sale
from app.telemetry.spans import current_traceparent

CONCURRENT_SNAPSHOTS = 8
MAX_ROUND_TRIES = 3
SCRIPTS = (
    *("reserve", "seed", "restore", "open", "fence", "amend"),
    *("release", "give_back", "snapshot", "acknowledge", "remove"),
)


class Gate:
    """The stock server in the terms of the domain. Methods raise GateUnavailable if the server is away.

    `command` is the Redis command that calls the script `reserve`.
    """

    command: ClassVar[str] = "EVALSHA"

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._scripts = Scripts(redis)

    def keys(self, sale: str) -> SaleKeys:
        return SaleKeys(self._prefix, sale)

    async def load_scripts(self) -> None:
        """Load the scripts of SCRIPTS on each server, so that no purchase meets NOSCRIPT."""
        await self._call(self._scripts.load(*SCRIPTS))

    async def claim(self, installation: str) -> None:
        """Mark the keys as those of `installation`. Raise ForeignStores if they belong to another installation."""
        await claim(self._redis, self._prefix, installation)

    async def reserve(self, sale: str, purchases: Sequence[Purchase], token: FencingToken) -> BatchReply:
        """Decide `purchases` of one sale in their order, in one round trip. `token` is the newest that is known."""
        keys = self.keys(sale)
        arguments: list[str | int] = [token.round, token.epoch]
        for purchase in purchases:
            arguments += (purchase.customer, purchase.key, purchase.quantity, purchase.nonce, purchase.traceparent)
        names = (keys.sale, keys.orders, keys.answers(token.round), keys.customers(token.round))

        async def call(server: "Redis") -> Any:
            return await self._evaluate(server, "reserve", names, arguments)

        return BatchReply.of(sale, purchases, await self._call(self._scripts.evaluate("reserve", names, call)))

    async def seed(self, sale: Sale) -> bool:
        """Seed the sale in the state `fenced`. Return False if the gate's epoch is not older, or during a reset."""
        terms = sale.terms
        arguments = (
            sale.round,
            sale.epoch,
            terms.stock,
            terms.customer_limit or 0,
            milliseconds(terms.opens_at),
            milliseconds(terms.closes_at),
            await self.run_id(sale.name),
            ANSWER_LIFE_SECONDS,
            current_traceparent(),
        )
        keys = self.keys(sale.name)
        return await self._run_on_gate_round("seed", keys, (keys.sale,), max(1, sale.round - 1), arguments) == "seeded"

    async def restore(self, sale: Sale, orders: Sequence[RestoredOrder], *, first: bool) -> bool:
        """Rebuild a page of answers and customers' tickets while the sale is fenced. `first` empties both before.

        Return False if the sale is no longer fenced at this epoch.
        """
        keys = self.keys(sale.name)
        arguments: list[str | int] = [sale.epoch, "first" if first else "next"]
        for order in orders:
            arguments += (order.customer, order.key, order.entry, order.nonce, order.quantity, order.counted)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round))
        return await self._result("restore", names, arguments) == "restored"

    async def open(self, sale: Sale, *, remaining: int, backlog: int, entries: int | None = None) -> bool:
        """Lift the fence and set the state that the ledger asks for.

        `entries` is the number of stream entries when the backlog was counted; None opens whatever their number.
        Return False if the drain has removed entries since, or if the sale is no longer fenced at this epoch.
        """
        keys = self.keys(sale.name)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round), keys.orders)
        counted = "" if entries is None else entries
        arguments = (sale.epoch, state_of(sale), remaining, backlog, _expiry(sale), counted)
        return await self._result("open", names, arguments) == "opened"

    async def fence(self, sale: str, epoch: int) -> bool:
        """Stop a sale at once. Return False if the gate has a newer epoch of the sale, or does not have the sale."""
        return await self._result("fence", (self.keys(sale).sale,), (epoch,)) == "fenced"

    async def amend(self, sale: Sale) -> bool:
        """Apply the ledger's stock, limit, window and state to a running sale. Return False if it needs a recount."""
        keys, terms = self.keys(sale.name), sale.terms
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round), keys.released(sale.round))
        arguments = (
            sale.epoch,
            state_of(sale),
            terms.stock,
            terms.customer_limit or 0,
            milliseconds(terms.opens_at),
            milliseconds(terms.closes_at),
            _expiry(sale),
        )
        return await self._result("amend", names, arguments) == "amended"

    async def release(self, reservation: ReservationId, epoch: int, customer: str, quantity: int) -> str:
        """Give a cancelled reservation's tickets back, once.

        Return 'released', 'already' or 'stale'; after 'stale' the caller must read the ledger again.
        """
        keys = self.keys(reservation.sale)
        names = (keys.sale, keys.released(reservation.round), keys.customers(reservation.round))
        arguments = (reservation.round, epoch, str(reservation), customer, quantity)
        return await self._result("release", names, arguments)

    async def give_back(self, sale: str, decided_on: GateSnapshot, tickets: int) -> bool:
        """Give leaked tickets back to the stock. Return False if the sale has changed since `decided_on`."""
        arguments = (decided_on.round, decided_on.epoch, decided_on.repairs, decided_on.released, tickets)
        return await self._result("give_back", (self.keys(sale).sale,), arguments) == "given-back"

    async def snapshot(self, sale: str) -> GateSnapshot | None:
        """Return the sale as the gate has it, or None if the gate has no such sale."""
        keys = self.keys(sale)
        fields = await self._run("snapshot", (keys.sale, keys.orders), ())
        return GateSnapshot.of(fields) if fields else None

    async def snapshots(self, sales: Sequence[str]) -> list[GateSnapshot | None]:
        """Return the snapshot of each sale. A few at a time are taken, so that no call waits for a connection."""
        found: list[GateSnapshot | None] = []
        for start in range(0, len(sales), CONCURRENT_SNAPSHOTS):
            some = sales[start : start + CONCURRENT_SNAPSHOTS]
            found += await asyncio.gather(*(self.snapshot(sale) for sale in some))
        return found

    async def entries(self, sale: str, up_to: str = "+", page: int = 1000) -> AsyncIterator[list[Entry]]:
        """Yield the orders that wait in the stream, oldest first, in pages.

        `up_to` is the last stream id to read; '' reads nothing.
        """
        start = "-"
        while up_to:
            entries: list[Entry] = await self._call(
                self._redis.xrange(self.keys(sale).orders, start, up_to, count=page)
            )
            if entries:
                yield entries
            if len(entries) < page:
                return
            start = f"({entries[-1][0]}"

    async def has_entry(self, reservation: ReservationId) -> bool:
        """Return whether this order (the same entry and the same nonce) waits in the stream."""
        orders = self.keys(reservation.sale).orders
        found = await self._call(self._redis.xrange(orders, reservation.entry, reservation.entry))
        return bool(found) and found[0][1].get("nonce") == reservation.nonce

    async def run_id(self, sale: str) -> str:
        """Return the run id of the sale's server, which a restart changes, or '' if a managed service hides it."""
        key = self.keys(sale).sale
        info = await self._call(on_server_of(self._redis, key, lambda server: server.info("server")))
        return str(info.get("run_id", ""))

    async def remove(self, sale: Sale) -> bool:
        """Remove an ended and drained sale; its answers expire within a day. Return False if it is being reset."""
        keys = self.keys(sale.name)
        names = (keys.sale, keys.orders)
        return await self._run_on_gate_round("remove", keys, names, sale.round, (_expiry(sale),)) == "removed"

    async def _run_on_gate_round(
        self, script: str, keys: SaleKeys, names: Sequence[str], round_: int, arguments: Sequence[str | int]
    ) -> str:
        """Run a script on `names` and on the keys of the gate's round, which may be older than the ledger's.

        `round_` is the round to try first. Return the script's result. It is 'elsewhere' if the gate's round changed
        at each of the MAX_ROUND_TRIES tries, because the sale is being reset.
        """
        result = ""
        for _ in range(MAX_ROUND_TRIES):
            of_round = (keys.answers(round_), keys.customers(round_), keys.released(round_))
            result, gate_round = await self._run(script, (*names, *of_round), (*arguments, round_))
            if result != "elsewhere":
                break
            round_ = gate_round
        return result

    async def _result(self, name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> str:
        """Run a script and return the first value of its reply."""
        return str((await self._run(name, keys, arguments))[0])

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return await self._call(self._scripts.run(name, keys, arguments))

    async def _call(self, call: Awaitable[Any]) -> Any:
        """Return the call's result. Raise GateUnavailable if the server is away or refuses the call."""
        with stock_server_reachable():
            return await call

    def _call_name(self, script: str) -> str:
        """Return the name by which `command` calls the script."""
        return digest(script)

    async def _evaluate(self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Call the script with the run id of the connection's server inserted as third argument."""
        pool = server.connection_pool
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py does not type it
        try:
            run_id: str = connection.run_id  # type: ignore[attr-defined]  # set by app.gate.connection
            command = (self.command, self._call_name(name), len(keys), *keys, *arguments[:2], run_id, *arguments[2:])
            # hiredis packs in C, which saves 3 us of the 10 us that a purchase costs with redis-py's own packing.
            await connection.send_packed_command([pack_command(command)])  # type: ignore[arg-type]  # its stub lacks an ellipsis
            reply = await connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # A reply left unread would be taken for the next command's, so this connection must not be used again.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return reply


def has_terms(snapshot: GateSnapshot, sale: Sale) -> bool:
    """Return whether the gate decides by the limit, the window and the state of `sale`. The stock is not compared."""
    limit, opens, closes = sale.terms.customer_limit or 0, sale.terms.opens_at, sale.terms.closes_at
    in_force = (limit, milliseconds(opens), milliseconds(closes), state_of(sale))
    return (snapshot.limit, snapshot.opens, snapshot.closes, snapshot.state) == in_force


def milliseconds(moment: datetime | None) -> int:
    """Return the Unix time in milliseconds, as the scripts take it, or 0 for None."""
    return 0 if moment is None else int(moment.timestamp() * 1000)


def state_of(sale: Sale) -> str:
    """Return the state that the ledger asks for: closed, paused or open. The script itself checks the window."""
    if sale.ended_at is not None:
        return "closed"
    return "paused" if sale.paused else "open"


def _expiry(sale: Sale) -> int:
    """Return the Unix time in seconds at which the answers may expire, or 0 if the sale has no end yet.

    It is at least ANSWER_LIFE_SECONDS ahead: an amendment or a recount long after the close must not delete the
    answers and the releases.
    """
    last = sale.ended_at or sale.terms.closes_at
    return 0 if last is None else int(max(last.timestamp(), time.time())) + ANSWER_LIFE_SECONDS
