"""After any sequence of purchases and faults, the real scripts on a real server are in the state of a plain model."""

import asyncio
import secrets
from collections.abc import Coroutine
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from app.gate.connection import make_redis
from app.gate.gate import Gate
from app.gate.replies import FencingToken
from app.sales.model import Purchase, Sale
from app.sales.outcomes import CustomerLimitReached, KeyReused, NotOpen, Outcome, Reserved, SoldOut
from app.settings import GateSettings
from tests.gate.model import GateModel, ModelOrder
from tests.support.sales import a_sale, open_sale

T = TypeVar("T")
PATIENT = GateSettings(connect_timeout_seconds=10, command_timeout_seconds=10)  # a busy machine must not fail the test
PAST = datetime(2020, 1, 1, tzinfo=UTC)

requests = st.tuples(st.sampled_from("abc"), st.sampled_from("klm"), st.integers(1, 3))


def named(outcome: Outcome) -> str:
    """Return the model's name of the outcome."""
    match outcome:
        case Reserved(replayed=replayed):
            return "replayed" if replayed else "reserved"
        case SoldOut():
            return "sold-out"
        case CustomerLimitReached():
            return "limit"
        case KeyReused():
            return "key-reused"
        case NotOpen(reason=reason):
            return reason


class GateMachine(RuleBasedStateMachine):
    runner: asyncio.Runner
    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate(self.redis, f"machine-{secrets.token_hex(6)}")
        self.reservations: dict[str, tuple[Reserved, ModelOrder]] = {}
        self.last_batch: list[Purchase] = []

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(call)

    @property
    def sale(self) -> Sale:
        model = self.model
        return replace(
            a_sale(stock=model.stock, round_=model.round, epoch=model.epoch, customer_limit=model.limit or None),
            paused=model.state == "paused",
        )

    def amend(self, **change: Any) -> None:
        """Change the model's terms, and the gate's. A gate that has forgotten answers refuses: it must be recounted."""
        before = {name: getattr(self.model, name) for name in change}
        self.model.change(change)
        terms = replace(self.sale.terms, opens_at=PAST - timedelta(days=1), closes_at=PAST)
        amended = self.run(
            self.gate.amend(replace(self.sale, terms=terms) if self.model.closed_by_window else self.sale)
        )
        assert amended is not self.model.forgot_answers
        if not amended:
            self.model.change(before)

    @initialize(stock=st.integers(0, 12), limit=st.integers(0, 3))
    def start(self, stock: int, limit: int) -> None:
        self.model = GateModel(stock=stock, limit=limit)
        self.run(self.gate.load_scripts())
        self.run(open_sale(self.gate, self.sale))

    @rule(batch=st.lists(requests, min_size=1, max_size=6))
    def buy(self, batch: list[tuple[str, str, int]]) -> None:
        self.send([Purchase("drop", *request, secrets.token_hex(8)) for request in batch])

    @precondition(lambda self: self.last_batch)
    @rule()
    def resend_the_last_batch(self) -> None:
        self.send(self.last_batch)

    def send(self, purchases: list[Purchase]) -> None:
        token = FencingToken(self.model.epoch, self.model.round)
        reply = self.run(self.gate.reserve("drop", purchases, token))
        accepted_before = self.model.accepted
        expected = [self.model.buy(purchase) for purchase in purchases]
        assert [named(decision.outcome) for decision in reply.decisions] == expected
        numbers = [decision.number for decision in reply.decisions if decision.number]
        assert numbers == list(range(accepted_before + 1, self.model.accepted + 1))
        for purchase, decision in zip(purchases, reply.decisions, strict=True):
            if isinstance(decision.outcome, Reserved):
                order = self.model.answers[purchase.customer, purchase.key]
                earlier = self.reservations.setdefault(str(decision.outcome.reservation), (decision.outcome, order))
                assert earlier[1] is order, "one reservation id stands for one order"
        self.last_batch = purchases

    @rule(behind=st.integers(1, 2))
    def an_older_epoch_is_refused(self, behind: int) -> None:
        token = FencingToken(self.model.epoch - behind, self.model.round)
        purchase = Purchase("drop", "a", "k", 1, secrets.token_hex(8))
        assert self.run(self.gate.reserve("drop", [purchase], token)).result == "stale"

    @rule()
    def pause_or_resume(self) -> None:
        self.amend(state="open" if self.model.state == "paused" else "paused")

    @rule()
    def the_window_closes_or_opens(self) -> None:
        self.amend(closed_by_window=not self.model.closed_by_window)

    @rule()
    def answers_expire(self) -> None:
        """The answers expire, with the other keys that have the same time to live."""
        keys, now = self.gate.keys("drop"), self.model.round
        self.run(self.unlink(keys.answers(now), keys.customers(now), keys.released(now)))
        self.model.answers, self.model.held, self.model.released = {}, {}, []

    async def unlink(self, *keys: str) -> None:
        await self.redis.unlink(*keys)

    @rule(more=st.integers(1, 5))
    def grow(self, more: int) -> None:
        self.amend(stock=self.model.stock + more, remaining=self.model.remaining + more)

    @rule(stock=st.integers(0, 12))
    def reset(self, stock: int) -> None:
        self.model.next_round(stock)
        self.run(open_sale(self.gate, self.sale))

    @precondition(lambda self: self.model.stream)
    @rule(count=st.integers(1, 4))
    def drain(self, count: int) -> None:
        pages = self.run(self.pages())
        done, self.model.stream = self.model.stream[:count], self.model.stream[count:]
        arguments: list[str | int] = ["ledger"]
        for entry, fields in pages[:count]:
            arguments += (entry, fields["round"], fields["epoch"], fields["quantity"])
        keys = self.gate.keys("drop")
        for _ in range(2):  # acknowledged twice is acknowledged once
            self.run(self.gate._run("acknowledge", (keys.sale, keys.orders), arguments))  # noqa: SLF001  the drain's script
        self.model.booked += [order for order in done if order.round == self.model.round]

    async def pages(self) -> list[tuple[str, Any]]:
        return [entry async for page in self.gate.entries("drop") for entry in page]

    @precondition(lambda self: self.reservations)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        text = data.draw(st.sampled_from(sorted(self.reservations)))
        outcome, order = self.reservations[text]
        call = self.gate.release(outcome.reservation, self.model.epoch, order.customer, order.quantity)
        if order.round != self.model.round:
            assert self.run(call) == "stale"
        elif text in self.model.released:
            assert self.run(call) == "already"
        else:
            assert self.run(call) == "released"
            self.model.released.append(text)
            self.model.remaining += order.quantity
            self.model.returned += order.quantity
            held = self.model.held.get(order.customer, 0)
            if held:
                self.model.held[order.customer] = max(0, held - order.quantity)

    @precondition(lambda self: self.model.remaining > 0)
    @rule(tickets=st.integers(1, 3))
    def leak(self, tickets: int) -> None:
        tickets = min(tickets, self.model.remaining)
        self.run(self.hincrby(-tickets))
        self.model.remaining -= tickets
        self.model.leaked += tickets

    async def hincrby(self, by: int) -> None:
        await self.redis.hincrby(self.gate.keys("drop").sale, "remaining", by)

    @precondition(lambda self: self.model.leaked > 0)
    @rule()
    def give_back(self) -> None:
        seen = self.run(self.gate.snapshot("drop"))
        assert seen is not None
        assert self.run(self.gate.give_back("drop", seen, self.model.leaked))
        assert not self.run(self.gate.give_back("drop", seen, self.model.leaked))
        self.model.remaining += self.model.leaked
        self.model.leaked = 0

    @invariant()
    def the_gate_is_where_the_model_is(self) -> None:
        seen = self.run(self.gate.snapshot("drop"))
        assert seen is not None
        model = self.model
        assert (seen.round, seen.epoch, seen.state) == (model.round, model.epoch, model.state)
        assert (seen.stock, seen.remaining, seen.backlog) == (model.stock, model.remaining, model.backlog)
        assert seen.accepted == model.accepted
        entries = self.run(self.pages())
        assert [(fields["customer"], fields["key"], fields["nonce"]) for _, fields in entries] == [
            (order.customer, order.key, order.nonce) for order in model.stream
        ]
        booked = sum(order.quantity for order in model.booked)
        assert model.stock + model.returned == seen.remaining + seen.backlog + booked + model.leaked
        assert (seen.leaked, seen.written_orders) == (model.leaked, model.accepted)
        assert (seen.acknowledged, seen.acknowledged_orders) == (booked, len(model.booked))


def check(machine: type[GateMachine], redis_url: str, **chosen: Any) -> None:
    with asyncio.Runner() as runner:
        redis = make_redis(redis_url, "test", PATIENT)
        try:
            run_state_machine_as_test(
                type(machine.__name__, (machine,), {"runner": runner, "redis": redis}),
                settings=settings(
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                    database=None,
                    **chosen,
                ),
            )
        finally:
            runner.run(redis.aclose())


def test_the_scripts_do_what_the_model_does(redis_url: str) -> None:
    check(GateMachine, redis_url)


class ForgetfulMachine(GateMachine):
    """The machine with the protection off: answers are dropped before each purchase, so that a replay buys again."""

    def send(self, purchases: list[Purchase]) -> None:
        self.run(self.unlink(self.gate.keys("drop").answers(self.model.round)))
        super().send(purchases)


def test_without_stored_answers_the_model_is_contradicted(redis_url: str) -> None:
    with pytest.raises(AssertionError):
        check(ForgetfulMachine, redis_url, phases=(Phase.generate,), max_examples=100)
