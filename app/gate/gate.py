"""The gate: one script call decides, and either everything of a purchase happened or nothing did."""

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
from app.gate.cluster import ask
from app.gate.keys import ANSWER_LIFE_SECONDS, SaleKeys
from app.gate.replies import BatchReply, Decision, Entry, Fence, GateSnapshot, Remembered
from app.gate.scripts import Scripts, digest
from app.gate.server import claim
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Reserved, SoldOut
from app.telemetry.spans import current_traceparent

HEADER = 6  # verdict, round, epoch, hint, milliseconds until it opens, remaining
WIDTH = 4  # of one purchase's answer
AT_ONCE = 8  # snapshots
ROUND_GUESSES = 3
SCRIPTS = (
    *("reserve", "seed", "restore", "open", "fence", "amend"),
    *("release", "give_back", "snapshot", "acknowledge", "remove"),
)


class Gate:
    """The stock server, as the domain speaks of it. Raises GateUnavailable where it is away.

    `command`: by which `reserve` is called.
    """

    command: ClassVar[str] = "EVALSHA"

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._scripts = Scripts(redis)

    def keys(self, sale: str) -> SaleKeys:
        return SaleKeys(self._prefix, sale)

    async def load_scripts(self) -> None:
        """Teaches each server every script, so that no buyer meets NOSCRIPT."""
        await self._guarded(self._scripts.load(*SCRIPTS))

    async def claim(self, installation: str) -> None:
        """Marks the keys as those of `installation`. Raises ForeignStores where they are another's."""
        await claim(self._redis, self._prefix, installation)

    async def reserve(self, sale: str, purchases: Sequence[Purchase], known: Fence) -> BatchReply:
        """Decides `purchases` of one sale, first come first served, in one round trip."""
        keys = self.keys(sale)
        arguments: list[str | int] = [known.round, known.epoch]
        for purchase in purchases:
            arguments += (purchase.customer, purchase.key, purchase.quantity, purchase.nonce, purchase.traceparent)
        names = (keys.sale, keys.orders, keys.answers(known.round), keys.customers(known.round))

        async def evaluate(server: "Redis") -> Any:
            return await self._evaluate(server, "reserve", names, arguments)

        return _batch(sale, purchases, await self._guarded(self._scripts.evaluated("reserve", names, evaluate)))

    async def seed(self, sale: Sale) -> bool:
        """Puts the sale behind a closed fence at its epoch. False: what is here is as new."""
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

    async def restore(self, sale: Sale, orders: Sequence[Remembered], *, first: bool) -> bool:
        """Rebuilds a page of answers and customers' tickets behind the fence. False: somebody newer is at work."""
        keys = self.keys(sale.name)
        arguments: list[str | int] = [sale.epoch, "first" if first else "next"]
        for order in orders:
            arguments += (order.customer, order.key, order.entry, order.nonce, order.quantity, order.counted)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round))
        return bool((await self._run("restore", names, arguments))[0] == "restored")

    async def open(self, sale: Sale, *, remaining: int, backlog: int, entries: int | None = None) -> bool:
        """Lifts the fence, into the state that the ledger asks for. `entries`: those in which the backlog was counted.

        False: the drain has taken some of them away since, or somebody newer is at work.
        """
        keys = self.keys(sale.name)
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round), keys.orders)
        counted = "" if entries is None else entries
        arguments = (sale.epoch, state_of(sale), remaining, backlog, _expiry(sale), counted)
        return bool((await self._run("open", names, arguments))[0] == "opened")

    async def fence(self, sale: str, epoch: int) -> bool:
        """Stops a sale at once. False where a newer epoch rules, or the sale is not here at all."""
        return bool((await self._run("fence", (self.keys(sale).sale,), (epoch,)))[0] == "fenced")

    async def amend(self, sale: Sale) -> bool:
        """Makes a running sale follow the ledger: growth, pause, window, end. False: it has to be recounted instead."""
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
        """Returns a cancelled reservation's tickets, once: 'released', 'already', or 'stale' (ask the ledger again)."""
        keys = self.keys(reservation.sale)
        names = (keys.sale, keys.released(reservation.round), keys.customers(reservation.round))
        reply = await self._run("release", names, (reservation.round, epoch, str(reservation), customer, quantity))
        return str(reply[0])

    async def give_back(self, sale: str, decided_on: GateSnapshot, tickets: int) -> bool:
        """Returns leaked tickets. False: the sale is no longer as in the snapshot that this was decided on."""
        arguments = (decided_on.round, decided_on.epoch, decided_on.repairs, decided_on.released, tickets)
        return bool((await self._run("give_back", (self.keys(sale).sale,), arguments))[0] == "given-back")

    async def snapshot(self, sale: str) -> GateSnapshot | None:
        """What the gate believes; None where it has no such sale."""
        keys = self.keys(sale)
        fields = await self._run("snapshot", (keys.sale, keys.orders), ())
        return GateSnapshot.of(fields) if fields else None

    async def snapshots(self, sales: Sequence[str]) -> list[GateSnapshot | None]:
        """The same for many, each at an instant of its own; a few at a time, so that no call waits for a connection."""
        found: list[GateSnapshot | None] = []
        for start in range(0, len(sales), AT_ONCE):
            found += await asyncio.gather(*(self.snapshot(sale) for sale in sales[start : start + AT_ONCE]))
        return found

    async def entries(self, sale: str, up_to: str = "+", page: int = 1000) -> AsyncIterator[list[Entry]]:
        """The orders that are not yet in the ledger, oldest first, in pages. `up_to`: the last stream id to read."""
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
        """Whether this very order (its entry and its nonce) waits in the stream."""
        orders = self.keys(reservation.sale).orders
        found = await self._guarded(self._redis.xrange(orders, reservation.entry, reservation.entry))
        return bool(found) and found[0][1].get("nonce") == reservation.nonce

    async def run_id(self, sale: str) -> str:
        """Which run of which server has the sale; a restart changes it. '' where a managed service hides it."""
        info = await self._guarded(ask(self._redis, self.keys(sale).sale, lambda server: server.info("server")))
        return str(info.get("run_id", ""))

    async def remove(self, sale: Sale) -> bool:
        """Removes an ended and drained sale; its answers go by themselves within a day. False: it is being reset."""
        keys = self.keys(sale.name)
        names = (keys.sale, keys.orders)
        return await self._of_round_here("remove", keys, names, sale.round, (_expiry(sale),)) == "removed"

    async def _of_round_here(
        self, script: str, keys: SaleKeys, names: Sequence[str], guess: int, arguments: Sequence[str | int]
    ) -> str:
        """Runs a script on `names` and the keys of the round that Redis has, which may be older than the ledger's.

        'elsewhere' where the rounds changed again and again meanwhile: somebody else resets the sale.
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
        """What the command calls the script."""
        return digest(script)

    async def _evaluate(self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """Calls the script with the run id of the connection's own server as third argument."""
        pool = server.connection_pool
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py types it not
        try:
            run_id: str = connection.run_id  # type: ignore[attr-defined]  # set by app.gate.connection
            command = (self.command, self._called(name), len(keys), *keys, *arguments[:2], run_id, *arguments[2:])
            # hiredis packs in C: 3 us a purchase less than redis-py's own packing, of 10 in all.
            await connection.send_packed_command([pack_command(command)])  # type: ignore[arg-type]  # its stub forgets an ellipsis
            reply = await connection.read_response()
        except ResponseError:
            raise
        except BaseException:
            # A reply that nobody read would be taken for the next command's: this connection is not used again.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return reply


def has_terms(snapshot: GateSnapshot, sale: Sale) -> bool:
    """Whether the gate decides by the limit, the window and the state of `sale`. Its stock is another question."""
    limit, opens, closes = sale.terms.customer_limit or 0, sale.terms.opens_at, sale.terms.closes_at
    in_force = (limit, milliseconds(opens), milliseconds(closes), state_of(sale))
    return (snapshot.limit, snapshot.opens, snapshot.closes, snapshot.state) == in_force


def milliseconds(moment: datetime | None) -> int:
    """Since the epoch, as the scripts take it; 0 for none."""
    return 0 if moment is None else int(moment.timestamp() * 1000)


def state_of(sale: Sale) -> str:
    """What the ledger asks for; the window is the script's to judge."""
    if sale.ended_at is not None:
        return "closed"
    return "paused" if sale.paused else "open"


def _expiry(sale: Sale) -> int:
    """When the answers may go (seconds since the epoch), 0 while nobody knows.

    Never at once: terms amended or recounted long after the close must not take the memory of keys and releases.
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
    return BatchReply(verdict, Fence(epoch, round_), hint == 1, remaining, decisions, seeded_by)


def decision(sale: str, round_: int, purchase: Purchase, answer: Sequence[Any], opens_in_ms: int) -> Decision:
    """Reads the four values that a script answers to one purchase (see reserve.lua)."""
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
