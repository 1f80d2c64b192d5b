"""With WAIT no buyer is told of an order that the replica lacks, and the same key tells the truth later."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import psutil
import pytest
from redis.asyncio import Redis

from app.gate import replicas
from app.gate.batching import PurchaseBatcher
from app.gate.connection import make_redis
from app.gate.functions import FunctionGate
from app.gate.gate import Gate
from app.gate.replicas import NO_WAIT, ReplicaWait
from app.gate.replies import GateUnavailable
from app.lab.stack.servers.valkey import ValkeyServer
from app.sales.outcomes import Outcome, Reserved, SoldOut
from app.settings import GateSettings, InvalidSettings
from tests.support.patience import PATIENT_GATE
from tests.support.sales import a_purchase, a_sale, open_sale
from tests.support.until import until

ONE = ReplicaWait(1, 50)
PATIENT = ReplicaWait(1, 5_000)


@dataclass
class Pair:
    """A primary and its replica. `reports` has the number of acceptances in each report of a batcher."""

    primary: ValkeyServer
    replica: ValkeyServer
    reports: list[int] = field(default_factory=list)

    @asynccontextmanager
    async def process(
        self, wait: ReplicaWait, gate_class: type[Gate] = Gate
    ) -> AsyncIterator[tuple[Gate, PurchaseBatcher]]:
        """Yield the gate and the batcher of a process with connections of its own."""
        redis = make_redis(self.primary.url, "test", PATIENT_GATE)
        gate = gate_class(redis, "test", wait=wait)
        try:
            await gate.load_scripts()
            yield gate, PurchaseBatcher(gate, PATIENT_GATE, lambda _sale, _token, told: self.reports.append(len(told)))
        finally:
            await redis.aclose()

    async def buy(self, wait: ReplicaWait, key: str) -> Outcome:
        """Buy over a new connection, which has written nothing yet."""
        async with self.process(wait) as (_, batcher):
            return await batcher.buy(a_purchase(key=key))

    def stop_replica(self) -> None:
        psutil.Process(self.replica.pid).suspend()

    def resume_replica(self) -> None:
        psutil.Process(self.replica.pid).resume()

    async def orders(self, server: ValkeyServer) -> list[str]:
        """Return the keys of the buyers whose orders this server has."""
        async with Redis.from_url(server.url, decode_responses=True) as client:
            pages = [page async for page in Gate(client, "test").entries("drop")]
            return [entry["key"] for page in pages for _, entry in page]


@pytest.fixture
async def pair(make_valkey: Callable[..., ValkeyServer]) -> Pair:
    """Return a pair in sync, with an open sale of 10 tickets."""
    primary = make_valkey()
    pair = Pair(primary, make_valkey(replica_of=primary))
    async with pair.process(NO_WAIT) as (gate, _):
        await open_sale(gate, a_sale())

    async def in_sync() -> bool:
        async with Redis.from_url(pair.replica.url) as client:
            return bool(await client.exists(Gate(client, "test").keys("drop").sale))

    await until(in_sync)
    return pair


@pytest.mark.parametrize("gate_class", [Gate, FunctionGate])
async def test_a_short_count_is_an_unknown_outcome_that_the_same_key_resolves(
    pair: Pair, gate_class: type[Gate]
) -> None:
    purchase = a_purchase(key="unlucky", quantity=9)
    async with pair.process(PATIENT, gate_class) as (_, batcher):
        assert isinstance(await batcher.buy(a_purchase(key="lucky")), Reserved)
    async with pair.process(ONE, gate_class) as (gate, batcher):
        pair.stop_replica()
        answers = await asyncio.gather(batcher.buy(purchase), batcher.buy(a_purchase()), return_exceptions=True)
        assert [type(answer) for answer in answers] == [GateUnavailable, SoldOut]
        assert await pair.orders(pair.primary) == ["lucky", "unlucky"]  # so that a worker books it
        assert pair.reports == [1, 0]
        with pytest.raises(GateUnavailable, match="too few replicas"):
            await batcher.buy(replace(purchase, nonce="f" * 16))
        pair.resume_replica()
        async with pair.process(PATIENT, gate_class) as (_, patient):
            outcome = await patient.buy(replace(purchase, nonce="e" * 16))
        assert isinstance(outcome, Reserved)
        assert outcome.replayed
        snapshot = await gate.snapshot("drop")
        assert snapshot is not None
        assert snapshot.accepted == 2


async def test_a_replay_over_a_new_connection_waits_as_well(pair: Pair) -> None:
    pair.stop_replica()
    for _ in range(2):  # the first one buys, the second one repeats
        with pytest.raises(GateUnavailable):
            await pair.buy(ONE, "unlucky")
    pair.resume_replica()
    assert isinstance(await pair.buy(PATIENT, "unlucky"), Reserved)


async def test_without_the_mark_a_replay_would_not_wait(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: the server waits only for what the same connection wrote."""
    ask = replicas.ask

    async def unless_mark(connection: object, *command: str | int) -> object:
        return None if command[0] == "SET" else await ask(connection, *command)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(replicas, "ask", unless_mark)
    pair.stop_replica()
    with pytest.raises(GateUnavailable):
        await pair.buy(ONE, "unlucky")
    told = await pair.buy(ONE, "unlucky")
    assert isinstance(told, Reserved)
    pair.resume_replica()


async def test_refusals_do_not_wait(pair: Pair) -> None:
    """If they waited for the stopped replica, they would take the 5 s of PATIENT each, and longer than the timeout."""
    await pair.buy(PATIENT, "first")
    pair.stop_replica()
    async with asyncio.timeout(PATIENT.milliseconds / 1000), pair.process(PATIENT) as (_, batcher):
        for _ in range(3):
            assert isinstance(await batcher.buy(a_purchase(quantity=10)), SoldOut)
    pair.resume_replica()


@pytest.mark.parametrize("wait", [ONE, NO_WAIT], ids=["WAIT", "control"])
async def test_whoever_was_told_is_on_the_promoted_replica(pair: Pair, wait: ReplicaWait) -> None:
    """The replica is promoted while the old primary sells on, as in a split brain. Without WAIT orders are lost."""
    told = []
    for key in ("before-1", "before-2"):
        assert isinstance(await pair.buy(PATIENT, key), Reserved)
        told.append(key)
    async with Redis.from_url(pair.replica.url) as client:
        await client.replicaof("NO", "ONE")
    for key in ("after-1", "after-2"):
        try:
            assert isinstance(await pair.buy(wait, key), Reserved)
        except GateUnavailable:
            continue
        told.append(key)
    pair.primary.kill()
    lost = set(told) - set(await pair.orders(pair.replica))
    assert lost == (set() if wait.replicas else {"after-1", "after-2"})


def test_a_wait_longer_than_the_timeout_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="GATE_WAIT_MILLISECONDS must be shorter"):
        GateSettings(wait_replicas=1, wait_milliseconds=1000)
    assert GateSettings(wait_replicas=1, wait_milliseconds=999).wait_replicas == 1
    assert GateSettings(wait_milliseconds=1000).wait_replicas == 0  # nothing waits
