"""One sale on real stores, whose purchases and drain run step by step, so that a test can act between any two steps."""

import json
import secrets
from collections import defaultdict
from datetime import datetime
from typing import Any

from redis.asyncio import Redis
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.drain.set_aside import entry_key
from app.gate.gate import Gate
from app.gate.keys import GROUP
from app.gate.replies import BatchReply, FencingToken, GateSnapshot
from app.gate.scripts import Scripts
from app.ledger.sales import SaleRepository
from app.reconcile.measure import Sums, add_up
from app.reconcile.observation import Observation, observe
from app.reconcile.reconciler import Reconciler, Result
from app.reconcile.recount import recount
from app.sales.model import Purchase, ReservationId, Sale, SaleTerms
from app.sales.order import Order, parse_entry
from app.sales.outcomes import Outcome, Reserved
from app.settings import ReconcileSettings
from app.strategies.registry import STRATEGIES

NAME = "drop"
INSERT = text("""
    INSERT INTO bookings (reservation_id, sale, round, epoch, number, customer, idempotency_key, quantity, ticket,
        status)
    VALUES (:id, :sale, :round, :epoch, :number, :customer, :key, :quantity, :ticket, :status)
    ON CONFLICT DO NOTHING RETURNING quantity
""")
ADD = text("""
    UPDATE inventory SET booked = booked + :tickets, recount = recount OR epoch > :epoch
    WHERE sale = :sale AND round = :round
""")
CANCEL = text("UPDATE bookings SET status = 'cancelled' WHERE reservation_id = :id RETURNING quantity")
SET_ASIDE = text("""
    INSERT INTO set_aside (sale, entry, round, epoch, number, quantity, payload, reason, tries, set_aside_at)
    VALUES (:sale, :entry, :round, :epoch, :number, :quantity, :payload, 'poison', 3, now())
""")
LOSE = text("""
    WITH lost AS (DELETE FROM bookings WHERE reservation_id = ANY(:ids) RETURNING sale, round, quantity, status)
    UPDATE inventory i SET booked = i.booked - summed.tickets
    FROM (SELECT sale, round, sum(quantity) AS tickets FROM lost WHERE status = 'booked' GROUP BY sale, round) summed
    WHERE i.sale = summed.sale AND i.round = summed.round
""")
LOSE_ROUND = (
    "DELETE FROM bookings WHERE round = :round",
    "DELETE FROM inventory WHERE round = :round",
    "UPDATE sales SET round = :round - 1, ended_at = :ended_at, removed_at = :removed_at",
)


class BoxOffice:
    """One sale, and everything that a test does to it. The gate's real scripts sell, and plain SQL books."""

    def __init__(self, redis: "Redis", prefix: str, engine: AsyncEngine) -> None:
        self.redis: Any = redis  # redis-py annotates every reply as str or bytes
        self.gate = Gate(redis, prefix)
        self.engine = engine
        self.sales = SaleRepository(engine)
        self.keys = self.gate.keys(NAME)
        self._scripts = Scripts(redis)

    async def create(self, stock: int = 100, **terms: Any) -> Sale:
        """Create the sale, open it at the gate and return it."""
        sale = await self.declare(stock, **terms)
        assert await recount(sale, self.gate, self.engine)
        return sale

    async def declare(self, stock: int = 100, **terms: Any) -> Sale:
        """Create the sale in the ledger alone, and return it."""
        created = await self.sales.create(SaleTerms(name=NAME, strategy="atomic", stock=stock, **terms), guarded=True)
        return created.sale

    async def next_round(self) -> Sale:
        """Start the next round, open it at the gate and return the sale."""
        sale = await self.sales.next_round(NAME)
        assert await recount(sale, self.gate, self.engine)
        return sale

    async def sale(self) -> Sale:
        sale = await self.sales.get(NAME)
        assert sale is not None
        return sale

    async def raise_epoch(self) -> Sale:
        """Raise the sale's epoch, as a caller of recount does before it, and return the sale."""
        return await self.sales.raise_epoch(NAME, (await self.sale()).epoch)

    async def try_to_buy(self, customer: str, key: str = "k", quantity: int = 1) -> BatchReply:
        """Ask the gate once, with the sale's present fencing token, and return its reply."""
        sale = await self.sale()
        purchase = Purchase(NAME, customer, key, quantity, secrets.token_hex(8))
        return await self.gate.reserve(NAME, [purchase], FencingToken(sale.epoch, sale.round))

    async def buy(self, customer: str, key: str = "k", quantity: int = 1) -> Outcome:
        """Return the outcome of a purchase that the gate must decide."""
        reply = await self.try_to_buy(customer, key, quantity)
        assert reply.result == "decided"
        return reply.decisions[0].outcome

    async def sell(self, count: int, who: str = "buyer") -> list[ReservationId]:
        """Let `count` buyers ask for one ticket each, and return the reservations made."""
        outcomes = [await self.buy(f"{who}-{number}") for number in range(count)]
        return [outcome.reservation for outcome in outcomes if isinstance(outcome, Reserved)]

    async def orders_in_stream(self, count: int | None = None) -> list[Order]:
        """Return the orders in the stream, or its first `count`."""
        entries = await self.redis.xrange(self.keys.orders, count=count)
        return [order for entry, fields in entries if isinstance(order := parse_entry(NAME, entry, fields), Order)]

    async def book(self, orders: list[Order], status: str = "booked") -> None:
        """Insert the orders' bookings in one transaction, as the drain does, and count only those really inserted."""
        async with self.engine.begin() as connection:
            for order in orders:
                row = {
                    "id": order.reservation_id, "sale": NAME, "round": order.round, "epoch": order.epoch,
                    "number": order.number, "customer": order.customer, "key": order.key,
                    "quantity": order.quantity, "ticket": order.ticket, "status": status,
                }  # fmt: skip
                tickets = await connection.scalar(INSERT, row) or 0
                added = {"tickets": tickets if status == "booked" else 0, "sale": NAME, "round": order.round}
                await connection.execute(ADD, added | {"epoch": order.epoch})

    async def set_aside(self, order: Order) -> None:
        """Set the order aside, as the drain does after its last try, but leave the entry in the stream."""
        (_, fields), *_ = await self.redis.xrange(self.keys.orders, order.entry, order.entry)
        row = {
            "sale": NAME, "entry": entry_key(order), "round": order.round, "epoch": order.epoch, "number": order.number,
            "quantity": order.quantity, "payload": json.dumps(fields),
        }  # fmt: skip
        async with self.engine.begin() as connection:
            await connection.execute(SET_ASIDE, row)

    async def cancel(self, reservation: ReservationId) -> None:
        """Do the ledger's part of a release."""
        async with self.engine.begin() as connection:
            row = {"id": str(reservation), "sale": NAME, "round": reservation.round}
            quantity = await connection.scalar(CANCEL, row)
            await connection.execute(ADD, {**row, "tickets": -quantity, "epoch": 2**31})

    async def lose(self, reservations: list[ReservationId]) -> None:
        """Take the bookings from the ledger, as if the server that had committed them were replaced by an older one."""
        async with self.engine.begin() as connection:
            await connection.execute(LOSE, {"ids": [str(reservation) for reservation in reservations]})

    async def lose_round(
        self, round_: int, *, ended_at: datetime | None = None, removed_at: datetime | None = None
    ) -> None:
        """Take the round and its bookings from the ledger. The times are those of the round before."""
        values = {"round": round_, "ended_at": ended_at, "removed_at": removed_at}
        async with self.engine.begin() as connection:
            for statement in LOSE_ROUND:
                await connection.execute(
                    text(statement), {name: values[name] for name in values if f":{name}" in statement}
                )

    async def lose_sale(self) -> None:
        """Take the sale from the ledger, with all that belongs to it."""
        async with self.engine.begin() as connection:
            await connection.execute(text("TRUNCATE sales CASCADE"))

    async def set_stock(self, stock: int) -> None:
        """Commit another stock in the ledger. The gate does not know of it yet."""
        async with self.engine.begin() as connection:
            await connection.execute(text("UPDATE inventory SET stock = :stock"), {"stock": stock})

    async def leak(self, tickets: int) -> None:
        """Take tickets from the counter in Redis without an order for them."""
        await self.redis.hincrby(self.keys.sale, "remaining", -tickets)

    async def acknowledge(self, orders: list[Order]) -> None:
        """Acknowledge the orders with the gate's script, as the drain does."""
        if orders:
            parts = [part for order in orders for part in (order.entry, order.round, order.epoch, order.quantity)]
            await self._scripts.run("acknowledge", [self.keys.sale, self.keys.orders], [GROUP, *parts])

    async def drain(self, count: int | None = None) -> int:
        """Book and acknowledge the waiting orders, or the first `count`, and return their number."""
        orders = await self.orders_in_stream(count)
        await self.book(orders)
        await self.acknowledge(orders)
        return len(orders)

    async def snapshot(self) -> GateSnapshot:
        snapshot = await self.gate.snapshot(NAME)
        assert snapshot is not None
        return snapshot

    async def observe(self) -> Observation:
        observation = await observe(await self.sale(), self.gate, self.engine)
        assert observation is not None
        return observation

    async def add_up(self) -> Sums:
        """Return the sums of the round, which must be possible to take."""
        sums = await add_up(await self.sale(), await self.observe(), self.gate, self.engine)
        assert sums is not None
        return sums

    def reconciler(self, grace_seconds: float = 1e-9, **settings: Any) -> Reconciler:
        """Return a reconciler, as each process has one. By default its grace period is over by its next check."""
        chosen = ReconcileSettings(grace_seconds=grace_seconds, **settings)
        return Reconciler(self.engine, self.gate, STRATEGIES, chosen)

    async def reconcile(self, reconciler: Reconciler | None = None) -> Result:
        return await (reconciler or self.reconciler()).reconcile_sale(await self.sale())

    async def booked(self) -> int:
        tally = await self.sales.tally(NAME, (await self.sale()).round)
        return tally.booked

    async def save_keys(self) -> dict[str, bytes]:
        """Return a dump of the sale's present keys, for `bring_back`."""
        raw: Any = Redis.from_url(_url(self.redis))
        try:
            names = [name async for name in raw.scan_iter(match=f"{self.keys.sale.rpartition(':')[0]}:*")]
            return {name.decode(): await raw.dump(name) for name in names}
        finally:
            await raw.aclose()

    async def bring_back(self, saved: dict[str, bytes]) -> None:
        """Restore the saved keys and remove the sale's later ones, as if the server had gone back in time."""
        raw: Any = Redis.from_url(_url(self.redis))
        try:
            later = [name async for name in raw.scan_iter(match=f"{self.keys.sale.rpartition(':')[0]}:*")]
            if later:
                await raw.unlink(*later)
            for name, value in saved.items():
                await raw.restore(name, 0, value)
        finally:
            await raw.aclose()

    async def sell_out(self, who: str) -> int:
        """Buy until nothing is left, and return how many tickets the gate has promised to `who` so far."""
        promised: dict[str, int] = defaultdict(int)
        while isinstance(await self.buy(f"{who}-{promised[who]}"), Reserved):
            promised[who] += 1
        return promised[who]


def _url(client: "Redis") -> str:
    options = client.connection_pool.connection_kwargs
    return f"redis://{options['host']}:{options['port']}/{options['db']}"
