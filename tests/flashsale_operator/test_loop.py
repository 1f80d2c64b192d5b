"""The loop after a disaster, on real stores: the resources are applied late, or the ledger's server is another one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import text
from structlog.testing import capture_logs

from app.cancellation import cancel_until_done
from app.lab.stack.servers.postgres import PostgresServer
from app.reconcile.reconciler import Reconciler
from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.loop import FlashSaleLoop
from flashsale_operator.metrics import OperatorMetrics
from flashsale_operator.poll import Change, PollResult, poll
from flashsale_operator.settings import OperatorSettings
from flashsale_operator.stores import Stores
from tests.flashsale_operator.stand_in_kube import StandInKube
from tests.support.box_office import BoxOffice
from tests.support.releases import THIS
from tests.support.until import until

LONG, SHORT = 3600.0, 0.2  # seconds of grace
ABSENT = 'atomictickets_flashsale_absent_seconds{sale="drop"}'


@dataclass
class Operator:
    """One process of the operator that leads, and lists the resources of `kube` ten times a second."""

    stores: Stores
    kube: StandInKube
    grace_seconds: float
    metrics: OperatorMetrics = field(default_factory=lambda: OperatorMetrics(lambda: 0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Operator"]:
        settings = OperatorSettings(
            resync_seconds=0.1, poll_seconds=0.1, absence_grace_seconds=self.grace_seconds, namespace="shop"
        )
        election = LeaderElection(self.kube, settings, "operator")
        self.loop = FlashSaleLoop(self.stores, self.kube, election, self.metrics, settings)
        self.electing = asyncio.create_task(election.run())
        endless = (self.loop.resync_forever(), self.loop.lead_forever())
        tasks = [self.electing, *(asyncio.create_task(each) for each in endless)]
        try:
            yield self
        finally:
            cancel_until_done(*tasks)
            await asyncio.wait(tasks)

    def tells_absence(self) -> bool:
        return ABSENT in generate_latest(self.metrics.registry).decode()


def resource(uid: str) -> dict[str, Any]:
    metadata = {"name": "drop", "namespace": "shop", "uid": uid, "generation": 1}
    return {"metadata": metadata, "spec": {"strategy": "atomic", "stock": 10}}


@pytest.fixture
async def kube(stores: Stores, office: BoxOffice) -> StandInKube:
    """Return the API server after a disaster: the sale has sold 4 of its 10 tickets, and its resource is gone."""
    kube = StandInKube()
    kube.resource = resource("uid-1")
    async with Operator(stores, kube, LONG).running():
        await until(lambda: sells(office))
    await office.sell(4)
    await office.drain()
    kube.resource = {}
    return kube


async def test_resources_that_are_applied_late_adopt_their_sales(
    stores: Stores, office: BoxOffice, kube: StandInKube
) -> None:
    await office.bring_back({})  # an empty stock server
    with capture_logs() as lines:
        async with Operator(stores, kube, LONG).running() as operator:
            await until(operator.tells_absence)
            await until(lambda: sells(office))  # recounted from the ledger
            kube.resource = resource("uid-2")
            await until(lambda: not operator.tells_absence())
            await until(lambda: follows(stores, "uid-2"))
            await until(lambda: sells(office))
    sale = await stores.sales.get("drop")
    assert sale is not None
    assert (sale.round, sale.ended_at, (await office.snapshot()).remaining) == (1, None, 6)
    told = [line for line in lines if line["event"].startswith("no resource declares the sale")]
    assert [(line["sale"], line["uid"]) for line in told] == [("drop", "uid-1")]


async def test_without_a_grace_time_they_start_another_round(
    stores: Stores, office: BoxOffice, kube: StandInKube
) -> None:
    """The control: the same order of events ends the sale, and what it had left is not sold on."""
    async with Operator(stores, kube, SHORT).running():
        await until(lambda: ended(stores))
        kube.resource = resource("uid-2")
        await until(lambda: follows(stores, "uid-2"))
        await until(lambda: sells(office))
    sale = await stores.sales.get("drop")
    assert sale is not None
    assert (sale.round, (await office.snapshot()).remaining) == (2, 10)


@pytest.mark.parametrize("ends", ["a list failed", "the lead was lost"])
async def test_an_absence_is_told_no_longer_than_it_is_known(stores: Stores, kube: StandInKube, ends: str) -> None:
    async with Operator(stores, kube, LONG).running() as operator:
        await until(operator.tells_absence)
        if ends == "a list failed":
            kube.away = True
        else:
            operator.electing.cancel()
        await until(lambda: not operator.tells_absence())


async def test_a_deletion_that_was_seen_ends_the_sale_at_once(stores: Stores, kube: StandInKube) -> None:
    kube.resource = resource("uid-1")
    async with Operator(stores, kube, LONG).running() as operator:
        await until(lambda: follows(stores, "uid-1"))
        kube.resource = {}
        operator.loop.handle_event("DELETED", resource("uid-1"))
        await until(lambda: ended(stores))


async def test_another_server_of_the_ledger_asks_for_a_check_of_all_sales(
    make_postgres: Callable[..., PostgresServer], environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make_postgres()
    assert THIS.migrate(server.url).returncode == 0
    for name, value in {**environment, "DATABASE_URL": server.url}.items():
        monkeypatch.setenv(name, value)
    polls: list[PollResult] = []

    async def recorded(stores: Stores, installation: str) -> PollResult:
        polls.append(await poll(stores, installation))
        return polls[-1]

    monkeypatch.setattr("flashsale_operator.loop.poll", recorded)
    stores, kube = Stores.open(sales_at_once=2), StandInKube()
    kube.resource = resource("uid-1")
    with capture_logs() as lines:
        async with Operator(stores, kube, LONG).running():
            await until(lambda: len(polls) > 1 and unchanged(*polls[-2:]))
            before = polls[-1]
            server.stop()
            server.start()
            await until(lambda: polls[-1].incarnation != before.incarnation)
            after = next(each for each in polls if each.incarnation != before.incarnation)
            await until(lambda: unchanged(*polls[-2:]))
    await stores.close()
    assert after.changes_since(before) == {"drop": Change.STATE}
    assert replace(after, incarnation=before.incarnation).changes_since(before) == {}  # the control
    (told,) = [line for line in lines if line["event"] == "the ledger's server changed"]
    assert (told["log_level"], told["before"], told["now"]) == ("warning", before.incarnation, after.incarnation)


@pytest.mark.parametrize("stops", [True, False])
async def test_a_sale_that_the_ledger_does_not_know_is_stopped(
    stores: Stores, office: BoxOffice, monkeypatch: pytest.MonkeyPatch, *, stops: bool
) -> None:
    """The ledger went back to before the sale was created. The control looks for no such sales."""
    looked: list[str] = []

    async def only_note(_: Reconciler, incarnation: str) -> None:
        looked.append(incarnation)

    if not stops:
        monkeypatch.setattr(Reconciler, "stop_unknown_sales", only_note)
    await office.create(10)
    async with stores.engine.begin() as ledger:
        for table in ("inventory", "sales"):
            await ledger.execute(text(f"DELETE FROM {table}"))  # noqa: S608  constants
    async with Operator(stores, StandInKube(), LONG).running():
        if stops:
            await until(lambda: has_state(office, "fenced"))
        else:
            await until(lambda: len(looked) > 2)
    assert (await office.snapshot()).state == ("fenced" if stops else "open")


def unchanged(before: PollResult, after: PollResult) -> bool:
    """Return whether the sale is open, and nothing has changed from one poll to the next."""
    gate = after.gates.get("drop")
    return gate is not None and gate.state == "open" and after.changes_since(before) == {}


async def sells(office: BoxOffice) -> bool:
    return await has_state(office, "open")


async def has_state(office: BoxOffice, state: str) -> bool:
    gate = await office.gate.snapshot("drop")
    return gate is not None and gate.state == state


async def follows(stores: Stores, uid: str) -> bool:
    sale = await stores.sales.get("drop")
    return sale is not None and sale.owner_uid == uid


async def ended(stores: Stores) -> bool:
    sale = await stores.sales.get("drop")
    return sale is not None and sale.ended_at is not None
