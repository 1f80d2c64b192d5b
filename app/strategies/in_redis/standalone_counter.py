"""A counter in Redis that decides purchases by the sale's terms and stores the answers, but no orders for workers."""

from dataclasses import dataclass

from redis.asyncio import Redis

from app.gate.availability import stock_server_reachable
from app.gate.gate import milliseconds, state_of
from app.gate.replies import decision
from app.sales.model import Purchase, ReservationId, Sale
from app.sales.order import Order
from app.sales.outcomes import Outcome, Reserved
from app.sales.strategy import Snapshot
from app.strategies.in_redis.keys import LIFE_SECONDS, RedisKeys
from app.strategies.in_redis.scripts import Script


@dataclass(slots=True)  # created for every purchase; see app.sales.model.Purchase
class Sold:
    """The outcome of a purchase, with its `order` if the order is new. Only the caller has the order then."""

    outcome: Outcome
    order: Order | None = None


class StandaloneCounter:
    """The standalone counters of all sales.

    Calls raise GateUnavailable if Redis is away; the command may have been executed or not.
    """

    def __init__(self, redis: "Redis", prefix: str) -> None:
        self._redis = redis
        self._prefix = prefix
        self._sell = Script(redis, "sell")
        self._follow = Script(redis, "follow")

    async def sell(self, purchase: Purchase) -> Sold | None:
        """Decide one purchase. Return None if the sale has no counter."""
        arguments = (purchase.customer, purchase.key, purchase.quantity, purchase.nonce, LIFE_SECONDS)
        with stock_server_reachable():
            reply = await self._sell(keys=self._keys(purchase.sale), args=arguments)
        if not reply:
            return None
        round_, epoch, opens_in_ms, ticket, *answer = reply
        decided = decision(purchase.sale, round_, purchase, answer, opens_in_ms)
        if not decided.number or not isinstance(decided.outcome, Reserved):
            return Sold(decided.outcome)
        order = Order(
            id=decided.outcome.reservation,
            epoch=epoch,
            number=decided.number,
            customer=purchase.customer,
            key=purchase.key,
            quantity=purchase.quantity,
            ticket=ticket,
            traceparent=purchase.traceparent,
        )
        return Sold(decided.outcome, order)

    async def follow(self, sale: Sale, booked: int) -> None:
        """Make the counter follow what the ledger has committed.

        `booked`: the booked tickets; used if the round is new to Redis.
        """
        terms = sale.terms
        arguments = (
            sale.round,
            sale.epoch,
            terms.stock,
            max(0, terms.stock - booked),
            terms.customer_limit or 0,
            milliseconds(terms.opens_at),
            milliseconds(terms.closes_at),
            state_of(sale),
            LIFE_SECONDS,
        )
        with stock_server_reachable():
            await self._follow(keys=self._keys(sale.name), args=arguments)

    async def snapshot(self, sale: str) -> Snapshot | None:
        """Return the counter, or None if Redis has lost it. The backlog is unknown and reported as 0."""
        with stock_server_reachable():
            fields = await self._redis.hmget(self._keys(sale)[0], ["round", "epoch", "stock", "left"])
        numbers = [int(field) for field in fields if field is not None]
        if len(numbers) < len(fields):
            return None
        round_, epoch, stock, left = numbers
        return Snapshot(round=round_, epoch=epoch, stock=stock, remaining=left, backlog=0)

    async def has(self, reservation: ReservationId) -> bool:
        """Return whether this order was accepted in the present round."""
        with stock_server_reachable():
            nonce = await self._redis.hget(self._keys(reservation.sale)[3], reservation.entry)
        return bool(nonce == reservation.nonce)

    def _keys(self, sale: str) -> tuple[str, str, str, str]:
        return RedisKeys(self._prefix, sale).standalone
