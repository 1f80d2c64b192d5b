"""The gate: purchases decided by scripts on the stock server (Redis or Valkey).

One script call decides a purchase, and either all of it happened or none of it.
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
from app.gate.replies import BatchReply, Decision, Entry, FencingToken, GateSnapshot, RestoredOrder
from app.gate.scripts import Scripts, digest
from app.gate.server import claim
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Reserved, SoldOut
from app.telemetry.spans import current_traceparent

HEADER = 6  # verdict, round, epoch, hint, milliseconds until it opens, remaining
WIDTH = 4  # values of one purchase's answer
AT_ONCE = 8  # concurrent snapshot calls
ROUND_GUESSES = 3
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
        await self._guarded(self._scripts.load(*SCRIPTS))

    async def claim(self, installation: str) -> None:
        """Mark the keys as those of `installation`. Raise ForeignStores if they belong to another installation."""
        await claim(self._redis, self._prefix, installation)

    async def reserve(self, sale: str, purchases: Sequence[Purchase], known: FencingToken) -> BatchReply:
        """Decide `purchases` of one sale in their order, in one round trip. `known`: the newest fence seen."""
        keys = self.keys(sale)
        arguments: list[str | int] = [known.round, known.epoch]
        for purchase in purchases:
            arguments += (purchase.customer, purchase.key, purchase.quantity, purchase.nonce, purchase.traceparent)
        names = (keys.sale, keys.orders, keys.answers(known.round), keys.customers(known.round))

        async def evaluate(server: "Redis") -> Any:
            return await self._evaluate(server, "reserve", names, arguments)

        return _batch(sale, purchases, await self._guarded(self._scripts.evaluated("reserve", names, evaluate)))

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
        return await self._of_round_here("seed", keys, (keys.sale,), max(1, sale.round - 1), arguments) == "seeded"

    async def restore(self, sale: Sale, orders: Sequence[RestoredOrder], *, first: bool) -> bool:
        """Rebuild a page of answers and customers' tickets while the sale is fenced. `first` empties both before.

        Return False if the sale is no longer fenced at this epoch.
        """
        keys = self.keys(sale.name)
        arguments: list[str | int] = [sale.epoch, "first" if first else "next"]
        for order in orders:
            arguments += (order.customer, order.key, order.entry, order.nonce, order.quantity, order.counted)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round))
        return bool((await self._run("restore", names, arguments))[0] == "restored")

    async def open(self, sale: Sale, *, remaining: int, backlog: int, entries: int | None = None) -> bool:
        """Lift the fence and set the state that the ledger asks for.

        `entries` is the number of stream entries when the backlog was counted; None opens whatever their number.
        Return False if the drain has removed entries since, or if the sale is no longer fenced at this epoch.
        """
        keys = self.keys(sale.name)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round), keys.orders)
        counted = "" if entries is None else entries
        arguments = (sale.epoch, state_of(sale), remaining, backlog, _expiry(sale), counted)
        return bool((await self._run("open", names, arguments))[0] == "opened")

    async def fence(self, sale: str, epoch: int) -> bool:
        """Stop a sale at once. Return False if the gate has a newer epoch of the sale, or does not have the sale."""
        return bool((await self._run("fence", (self.keys(sale).sale,), (epoch,)))[0] == "fenced")

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
        return bool((await self._run("amend", names, arguments))[0] == "amended")

    async def release(self, reservation: ReservationId, epoch: int, customer: str, quantity: int) -> str:
        """Give a cancelled reservation's tickets back, once.

        Return 'released', 'already' or 'stale'; after 'stale' the caller must read the ledger again.
        """
        keys = self.keys(reservation.sale)
        names = (keys.sale, keys.released(reservation.round), keys.customers(reservation.round))
        reply = await self._run("release", names, (reservation.round, epoch, str(reservation), customer, quantity))
        return str(reply[0])

    async def give_back(self, sale: str, decided_on: GateSnapshot, tickets: int) -> bool:
        """Give leaked tickets back to the stock. Return False if the sale has changed since `decided_on`."""
        arguments = (decided_on.round, decided_on.epoch, decided_on.repairs, decided_on.released, tickets)
        return bool((await self._run("give_back", (self.keys(sale).sale,), arguments))[0] == "given-back")

    async def snapshot(self, sale: str) -> GateSnapshot | None:
        """Return the sale as the gate has it, or None if the gate has no such sale."""
        keys = self.keys(sale)
        fields = await self._run("snapshot", (keys.sale, keys.orders), ())
        return GateSnapshot.of(fields) if fields else None

    async def snapshots(self, sales: Sequence[str]) -> list[GateSnapshot | None]:
        """Return the snapshot of each sale. Only AT_ONCE run at once, so that no call waits for a connection."""
        found: list[GateSnapshot | None] = []
        for start in range(0, len(sales), AT_ONCE):
            found += await asyncio.gather(*(self.snapshot(sale) for sale in sales[start : start + AT_ONCE]))
        return found

    async def entries(self, sale: str, up_to: str = "+", page: int = 1000) -> AsyncIterator[list[Entry]]:
        """Yield the orders that wait in the stream, oldest first, in pages. `up_to`: the last stream id to read."""
        start = "-"
        while up_to:
            entries: list[Entry] = await self._guarded(
                self._redis.xrange(self.keys(sale).orders, start, up_to, count=page)
            )
            if entries:
                yield entries
            if len(entries) < page:
                return
            start = f"({entries[-1][0]}"

    async def has_entry(self, reservation: ReservationId) -> bool:
        """Report whether this order (the same entry and the same nonce) waits in the stream."""
        orders = self.keys(reservation.sale).orders
        found = await self._guarded(self._redis.xrange(orders, reservation.entry, reservation.entry))
        return bool(found) and found[0][1].get("nonce") == reservation.nonce

    async def run_id(self, sale: str) -> str:
        """Return the run id of the sale's server, which a restart changes, or '' if a managed service hides it."""
        info = await self._guarded(
            on_server_of(self._redis, self.keys(sale).sale, lambda server: server.info("server"))
        )
        return str(info.get("run_id", ""))

    async def remove(self, sale: Sale) -> bool:
        """Remove an ended and drained sale; its answers expire within a day. Return False if it is being reset."""
        keys = self.keys(sale.name)
        names = (keys.sale, keys.orders)
        return await self._of_round_here("remove", keys, names, sale.round, (_expiry(sale),)) == "removed"

    async def _of_round_here(
        self, script: str, keys: SaleKeys, names: Sequence[str], guess: int, arguments: Sequence[str | int]
    ) -> str:
        """Run a script on `names` and on the keys of the round that Redis has, which may be older than the ledger's.

        `guess` is the round to try first. Return the script's verdict. It is 'elsewhere' if the round changed at each
        of the ROUND_GUESSES tries, because the sale is being reset.
        """
        verdict = ""
        for _ in range(ROUND_GUESSES):
            of_round = (keys.answers(guess), keys.customers(guess), keys.released(guess))
            verdict, here = await self._run(script, (*names, *of_round), (*arguments, guess))
            if verdict != "elsewhere":
                break
            guess = here
        return verdict

    async def _run(self, name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        return await self._guarded(self._scripts.run(name, keys, arguments))

    async def _guarded(self, call: Awaitable[Any]) -> Any:
        with stock_server_reachable():
            return await call

    def _called(self, script: str) -> str:
        """Return the name by which `command` calls the script."""
        return digest(script)

    async def _evaluate(self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Call the script with the run id of the connection's server inserted as third argument."""
        pool = server.connection_pool
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py does not type it
        try:
            run_id: str = connection.run_id  # type: ignore[attr-defined]  # set by app.gate.connection
            command = (self.command, self._called(name), len(keys), *keys, *arguments[:2], run_id, *arguments[2:])
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
    """Report whether the gate decides by the limit, the window and the state of `sale`. The stock is not compared."""
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


def _batch(sale: str, purchases: Sequence[Purchase], reply: list[Any]) -> BatchReply:
    verdict, round_, epoch, hint, opens_in_ms, remaining = reply[:HEADER]
    decisions = []
    if verdict == "decided":
        answers = (reply[start : start + WIDTH] for start in range(HEADER, len(reply), WIDTH))
        decisions = [
            decision(sale, round_, purchase, answer, opens_in_ms)
            for purchase, answer in zip(purchases, answers, strict=True)
        ]
    seeded_by = reply[HEADER] if verdict == "stale" else ""
    return BatchReply(verdict, FencingToken(epoch, round_), hint == 1, remaining, decisions, seeded_by)


def decision(sale: str, round_: int, purchase: Purchase, answer: Sequence[Any], opens_in_ms: int) -> Decision:
    """Return the decision that the four values of one purchase's answer stand for (see reserve.lua)."""
    code, first, second, number = answer
    match code:
        case "reserved":
            return Decision(Reserved(ReservationId(sale, round_, first, second), purchase.quantity), number)
        case "sold-out":
            return Decision(SoldOut(first))
        case "replayed":
            return Decision(Reserved(ReservationId(sale, round_, first, second), purchase.quantity, replayed=True))
        case "key-reused":
            return Decision(KeyReused(first))
        case "limit":
            return Decision(CustomerLimitReached(held=first, limit=second))
        case _:
            return Decision(NotOpen(code, opens_in_ms / 1000 if code == "scheduled" else None))
