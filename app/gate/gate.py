"""The gate: purchases decided by scripts on the stock server (Redis or Valkey).

One script call decides a purchase, and nobody sees half of it. (reserve.lua says what a failing script leaves.)
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar, Self

from hiredis import pack_command
from redis.asyncio import Redis
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ResponseError

from app.gate.answers import answer_of
from app.gate.keys import SaleKeys
from app.gate.reading import GateReader
from app.gate.replicas import NO_WAIT, ReplicaWait
from app.gate.replies import BatchReply, FencingToken, GateSnapshot, RestoredOrder
from app.gate.scripts import digest
from app.gate.server import claim
from app.sales.model import Purchase, ReservationId, Sale
from app.settings import ANSWER_LIFE_SECONDS, GateSettings
from app.telemetry.spans import current_traceparent

MAX_ROUND_TRIES = 3
SCRIPTS = (
    *("reserve", "seed", "restore", "open", "fence", "amend"),
    *("release", "give_back", "snapshot", "acknowledge", "remove", "trust_ledger"),
)


class Gate(GateReader):
    """The stock server in the terms of the domain. Methods raise GateUnavailable if the server is away.

    `answer_life_seconds`: how long the answers of a round live after its end.
    `command` is the Redis command that calls the script `reserve`.
    """

    command: ClassVar[str] = "EVALSHA"

    def __init__(
        self,
        redis: Redis,
        prefix: str,
        *,
        answer_life_seconds: int = ANSWER_LIFE_SECONDS,
        wait: ReplicaWait = NO_WAIT,
    ) -> None:
        super().__init__(redis, prefix)
        self._answer_life_seconds = answer_life_seconds
        self._wait = wait

    @classmethod
    def of(cls, redis: "Redis", settings: GateSettings) -> Self:
        """Return a gate with these settings."""
        return cls(
            redis,
            settings.key_prefix,
            answer_life_seconds=settings.answer_life_seconds,
            wait=ReplicaWait.of(settings),
        )

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

        async def call(server: "Redis") -> tuple[Any, bool]:
            return await self._evaluate(server, "reserve", names, arguments)

        reply, confirmed = await self._call(self._scripts.evaluate("reserve", names, call))
        return BatchReply.of(sale, purchases, reply, confirmed=confirmed)

    async def seed(self, sale: Sale, ledger: str = "") -> bool:
        """Seed the sale in the state `fenced`. Return False if the gate's epoch is not older, or during a reset.

        `ledger` is the incarnation of the ledger's server, '' if it is hidden. A sale that the gate has keeps its own.
        """
        terms = sale.terms
        arguments = (
            sale.round,
            sale.epoch,
            terms.stock,
            terms.customer_limit or 0,
            milliseconds(terms.opens_at),
            milliseconds(terms.closes_at),
            await self.run_id(sale.name),
            self._answer_life_seconds,
            current_traceparent(),
            sale.generation,
            ledger,
        )
        keys = self.keys(sale.name)
        return await self._run_on_gate_round("seed", keys, (keys.sale,), max(1, sale.round - 1), arguments) == "seeded"

    async def restore(self, sale: Sale, orders: Sequence[RestoredOrder], *, first: bool) -> bool:
        """Rebuild a page of answers and customers' tickets while the sale is fenced. `first` empties both before.

        Return False if the sale is no longer fenced at this epoch.
        """
        keys = self.keys(sale.name)
        arguments: list[str | int] = [sale.epoch, "first" if first else "next"]
        for order, counted in orders:
            arguments += (order.customer, order.key, answer_of(order), counted)
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
        arguments = (sale.epoch, state_of(sale), remaining, backlog, self._expiry(sale), counted)
        return await self._result("open", names, arguments) == "opened"

    async def fence(self, sale: str, epoch: int) -> bool:
        """Stop a sale at once. Return False if the gate has a newer epoch of the sale, or does not have the sale."""
        return await self._result("fence", (self.keys(sale).sale,), (epoch,)) == "fenced"

    async def amend(self, sale: Sale) -> bool:
        """Apply the ledger's stock, limit, window and state to a running sale, unless the gate has newer ones.

        Return False if the sale needs a recount.
        """
        keys, terms = self.keys(sale.name), sale.terms
        names = (keys.sale, keys.answers(sale.round), keys.customers(sale.round), keys.released(sale.round))
        arguments = (
            sale.epoch,
            state_of(sale),
            terms.stock,
            terms.customer_limit or 0,
            milliseconds(terms.opens_at),
            milliseconds(terms.closes_at),
            self._expiry(sale),
            sale.generation,
            sale.round,
        )
        return await self._result("amend", names, arguments) in ("amended", "outdated")

    async def trust_ledger(self, sale: Sale, epoch: int, ledger: str) -> bool:
        """Note that the ledger's server, of this incarnation, has every order that the gate remembers.

        Return False if the gate has another epoch of the sale.
        """
        return await self._result("trust_ledger", (self.keys(sale.name).sale,), (epoch, ledger)) == "noted"

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

    async def remove(self, sale: Sale) -> bool:
        """Remove an ended and drained sale; its answers expire later. Return False if it is being reset or drained."""
        keys = self.keys(sale.name)
        names = (keys.sale, keys.orders)
        return await self._run_on_gate_round("remove", keys, names, sale.round, (self._expiry(sale),)) == "removed"

    def _expiry(self, sale: Sale) -> int:
        """Return the Unix time in seconds at which the answers may expire, or 0 if the sale has no end yet.

        It is at least the life of an answer ahead: an amendment or a recount long after the close must not delete the
        answers and the releases.
        """
        last = sale.ended_at or sale.terms.closes_at
        return 0 if last is None else int(max(last.timestamp(), time.time())) + self._answer_life_seconds

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

    def _call_name(self, script: str) -> str:
        """Return the name by which `command` calls the script."""
        return digest(script)

    async def _evaluate(
        self, server: "Redis", name: str, keys: Sequence[str], arguments: Sequence[str | int]
    ) -> tuple[Any, bool]:
        """Call the script with the run id of the connection's server inserted as third argument.

        Return its reply, and whether enough replicas have the orders that it promises.
        """
        pool = server.connection_pool
        connection: AbstractConnection = await pool.get_connection()  # type: ignore[no-untyped-call]  # redis-py does not type it
        try:
            run_id: str = connection.run_id  # type: ignore[attr-defined]  # set by app.gate.connection
            command = (self.command, self._call_name(name), len(keys), *keys, *arguments[:2], run_id, *arguments[2:])
            # hiredis packs in C, which saves 3 us of the 10 us that a purchase costs with redis-py's own packing.
            await connection.send_packed_command([pack_command(command)])  # type: ignore[arg-type]  # its stub lacks an ellipsis
            reply = await connection.read_response()
            confirmed = await self._wait.confirms(connection, reply, keys[0])
        except ResponseError:
            raise
        except BaseException:
            # A reply left unread would be taken for the next command's, so this connection must not be used again.
            await connection.disconnect(nowait=True)
            raise
        finally:
            await pool.release(connection)
        return reply, confirmed


def has_terms(snapshot: GateSnapshot, sale: Sale) -> bool:
    """Return whether the gate decides by the limit, the window and the state of `sale`. The stock is not compared."""
    limit, opens, closes = sale.terms.customer_limit or 0, sale.terms.opens_at, sale.terms.closes_at
    in_force = (limit, milliseconds(opens), milliseconds(closes), state_of(sale))
    return (snapshot.limit, snapshot.opens, snapshot.closes, snapshot.state) == in_force


def milliseconds(moment: datetime | None) -> int:
    """Return the Unix time in milliseconds, as the scripts take it, or 0 for None."""
    return 0 if moment is None else int(moment.timestamp() * 1000)


def state_of(sale: Sale) -> str:
    """Return the state that the ledger asks for: closed, paused or open.

    The script itself checks the window, by its server's clock. Once the ledger's clock has reached the close too, the
    state says so, and a clock that is set back opens nothing.
    """
    if sale.over:
        return "closed"
    return "paused" if sale.paused else "open"
