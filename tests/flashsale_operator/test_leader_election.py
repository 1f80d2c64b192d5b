"""Leader election between processes whose requests hang and whose clocks are wrong. The official one is the control."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.client import V1LeaseSpec
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection as OfficialElection
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock

from flashsale_operator.leader_election import LeaderElection
from flashsale_operator.settings import OperatorSettings
from tests.flashsale_operator.stand_in_server import Connect, answering

SETTINGS = OperatorSettings(
    lease="operator", lease_seconds=2, renew_deadline_seconds=1.3, retry_period_seconds=0.2
)  # the shortest Lease that the official election permits
PATIENT = OperatorSettings(
    lease="operator", lease_seconds=100, renew_deadline_seconds=70, retry_period_seconds=60
)  # for single attempts: a busy machine may take longer than 0.2 s
LONG_AGO = "2020-01-01T00:00:00.000000Z"


class OfficialRenewal(LeaderElection):
    """An election that renews as the official one does."""

    renew_loop = OfficialElection.renew_loop
    try_acquire_or_renew = OfficialElection.try_acquire_or_renew


class Leases:
    """An API server with one Lease, which is empty as in the chart. `ignored` are the identities that get no answer."""

    connect: Connect

    def __init__(self) -> None:
        self.lease: dict[str, Any] = {"metadata": {"name": "operator", "resourceVersion": "1"}}
        self.ignored: set[str] = set()

    def election(
        self, identity: str, kind: type[LeaderElection] = LeaderElection, settings: OperatorSettings = SETTINGS
    ) -> LeaderElection:
        election = kind(self.connect(identity), settings, identity)
        election.election_config.retry_period = 0.05
        return election

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.headers["Authorization"].removeprefix("Bearer ") in self.ignored:
            await asyncio.Event().wait()
        if request.method == "PUT":
            lease, version = await request.json(), self.lease["metadata"]["resourceVersion"]
            if lease["metadata"]["resourceVersion"] != version:
                return web.json_response({"message": "changed meanwhile"}, status=409)
            lease["metadata"]["resourceVersion"] = str(int(version) + 1)
            self.lease = lease
        return web.json_response(self.lease)


@pytest.fixture
async def leases() -> AsyncIterator[Leases]:
    leases = Leases()
    async with answering(leases.answer) as leases.connect:
        yield leases


@asynccontextmanager
async def running(election: LeaderElection) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(election.run())
        yield
        task.cancel()


async def test_a_leader_that_gets_no_answer_stops_before_another_starts(leases: Leases) -> None:
    first, second = leases.election("first"), leases.election("second")
    async with running(first):
        await first.held.wait()
        async with running(second):
            leases.ignored.add("first")
            await first.lost.wait()
            assert not second.held.is_set()
            await second.held.wait()
    assert (leases.lease["spec"]["holderIdentity"], leases.lease["spec"]["leaseTransitions"]) == ("second", 2)


async def test_with_the_official_renewal_both_act(leases: Leases) -> None:
    first, second = leases.election("first", OfficialRenewal), leases.election("second")
    async with running(first):
        await first.held.wait()
        async with running(second):
            leases.ignored.add("first")
            await second.held.wait()
            assert first.held.is_set()


@pytest.mark.parametrize("official", [False, True])
async def test_neither_the_holders_clock_nor_a_step_of_the_own_one_ends_a_lease(
    leases: Leases, monkeypatch: pytest.MonkeyPatch, *, official: bool
) -> None:
    leases.lease["spec"] = {
        "holderIdentity": "first", "leaseDurationSeconds": 2, "acquireTime": LONG_AGO, "renewTime": LONG_AGO,
    }  # fmt: skip
    second = leases.election("second", settings=PATIENT)
    election = OfficialElection(second.election_config) if official else second
    assert not await election.try_acquire_or_renew()
    an_hour_ahead = SimpleNamespace(time=lambda: time.time() + 3600, monotonic=lambda: time.monotonic() + 3600)
    monkeypatch.setattr("kubernetes.aio.leaderelection.leaderelection.time", an_hour_ahead)
    assert await election.try_acquire_or_renew() is official
    if not official:
        monkeypatch.setattr("flashsale_operator.leader_election.time", an_hour_ahead)
        assert await election.try_acquire_or_renew()


async def test_a_holder_is_waited_for_even_if_its_lease_says_nothing_else(leases: Leases) -> None:
    leases.lease["spec"] = {"holderIdentity": "first"}
    second = leases.election("second", settings=PATIENT)
    assert not await second.try_acquire_or_renew()
    official = LeaseLock("operator", "shop", "third", leases.connect("third"))
    control = OfficialElection(Config(official, 2, 1.3, 1, second.run, second.run))
    assert await control.try_acquire_or_renew()


async def test_an_unexpected_error_ends_the_lead(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: Any) -> None:
        raise ZeroDivisionError

    first = leases.election("first")
    task = asyncio.create_task(first.run())
    await first.held.wait()
    monkeypatch.setattr(first.election_config.lock, "get", broken)
    with pytest.raises(ZeroDivisionError):
        await task
    assert (first.held.is_set(), first.lost.is_set()) == (False, True)


async def test_a_time_on_a_whole_second_is_written_as_the_server_wants_it(leases: Leases) -> None:
    spec = V1LeaseSpec(acquire_time=datetime(2026, 1, 1, tzinfo=UTC))
    written = leases.connect("first").sanitize_for_serialization(spec)
    assert written == {"acquireTime": "2026-01-01T00:00:00.000000+00:00"}


async def test_a_renewal_changes_only_the_time_of_renewal(leases: Leases) -> None:
    election = leases.election("first", settings=PATIENT)
    assert await election.try_acquire_or_renew()
    acquired = leases.lease["spec"]
    assert await election.try_acquire_or_renew()
    assert leases.lease["spec"].pop("renewTime") > acquired.pop("renewTime")
    assert leases.lease["spec"] == acquired


async def test_of_two_that_try_at_once_one_acquires(leases: Leases) -> None:
    both = (leases.election("first", settings=PATIENT), leases.election("second", settings=PATIENT))
    assert sorted(await asyncio.gather(*(each.try_acquire_or_renew() for each in both))) == [False, True]


async def test_a_released_lease_is_acquired_at_once(leases: Leases) -> None:
    first, second = leases.election("first"), leases.election("second", settings=PATIENT)
    async with running(first):
        await first.held.wait()
    assert not await second.try_acquire_or_renew()  # the control: it was not released yet
    await first.release()
    assert first.lost.is_set()
    assert await second.try_acquire_or_renew()
