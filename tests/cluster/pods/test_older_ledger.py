"""PostgreSQL's volume is put back to an older copy, while buyers, workers and the operator go on.

What was booked and acknowledged since the copy was taken is known to the stock server alone. It is booked again, also
in a round or a sale that the copy does not know. A sale with the policy `Observe` is the control: its bookings stay
missing, and none of its tickets is sold again.
"""

import json
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.blasts.load.result import ACCEPTED, SOLD_OUT, LoadResult, PurchaseRecord
from tests.cluster.manifests import flashsale
from tests.cluster.pods.buyers import RETRIES, buyers
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.exactness import EXACT_SECONDS, assert_exact
from tests.cluster.pods.ledger_copy import LedgerCopy, booked_ids, waiting_ids
from tests.cluster.pods.shop import Shop
from tests.cluster.statuses import condition
from tests.support.until import block_until

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(400)]

STEADY, RESET, NEWER, OBSERVED, UNMANAGED = SALES = ("steady", "reset", "newer", "observed", "unmanaged")
"""One that sells all the time, one whose second round and two that themselves are newer than the copy, the control.

Only `unmanaged` has no resource: it was created over HTTP.
"""
OBSERVE: dict[str, Any] = {"reconcile": {"policy": "Observe", "intervalSeconds": 2}}
STOCK = 200
SOME = 50
UNKNOWN = "the ledger does not know a sale that the gate has"  # in the operator's log


@dataclass(slots=True)
class BoxOffices:
    """The sales of one shop, and the reservation ids that their buyers were told."""

    shop: Shop
    crowd: CrowdPod
    told: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def buy(self, sale: str, requests: int) -> LoadResult:
        bought = self.crowd.buy(self.shop.url, sale, requests=requests, retries=RETRIES)
        self.told[sale] |= {record.reservation_id for record in bought.records if record.reservation_id}
        return bought

    def sell(self, *sales: str) -> None:
        for sale in sales:
            assert self.buy(sale, SOME).outcomes == {ACCEPTED: SOME}

    def sell_and_book(self, *sales: str) -> None:
        self.sell(*sales)
        self.until_drained(*sales)

    def until_drained(self, *sales: str) -> None:
        block_until(lambda: all(self.shop.backlog(sale) == 0 for sale in sales), seconds=EXACT_SECONDS)

    def create_over_http(self, sale: str) -> None:
        terms = {"name": sale, "strategy": "atomic", "stock": STOCK}
        created = self.crowd.request("POST", f"{self.shop.url}/sales", token=self.shop.admin_token(), body=terms)
        assert created.status == 201, created.document

    def view(self, sale: str) -> dict[str, Any]:
        """Return the sale as the API shows it, once its identity holds and nothing is on its way."""
        views: list[dict[str, Any]] = []

        def exact() -> bool:
            views[:] = [self.crowd.request("GET", f"{self.shop.url}/sales/{sale}").document]
            return views[0]["identity"]["holds"] is True and views[0]["backlog"] == 0

        block_until(exact, seconds=EXACT_SECONDS)
        return views[0]

    def sold_twice(self, sale: str) -> int:
        """Return how many tickets have two or more bookings, as the API shows it."""
        return sum(self.crowd.request("GET", f"{self.shop.url}/sales/{sale}/tickets").document["sold_twice"])


@dataclass(frozen=True, slots=True)
class Loss:
    """What happened. `forgotten`: by sale, the orders that were booked and acknowledged, and that the copy lacks.

    `purchases` are those of the sale `steady`. `back`: when PostgreSQL answered again, on the monotonic clock.
    """

    offices: BoxOffices
    forgotten: dict[str, set[str]]
    purchases: list[PurchaseRecord]
    back: float


# With the install this takes a minute: PostgreSQL is down for 10 s, and a crowd of buyers takes 8 s to end.
@pytest.fixture(scope="module")
def loss(shop: Shop, crowd: CrowdPod) -> Loss:
    offices, copy = BoxOffices(shop, crowd), LedgerCopy(shop)
    shop.kubectl.apply(flashsale(OBSERVED, {"stock": STOCK} | OBSERVE), flashsale(RESET, {"stock": STOCK}))
    shop.until_open(OBSERVED, RESET)
    with ThreadPoolExecutor() as threads, buyers(shop, crowd, threads, STEADY, retries=RETRIES) as load:
        offices.sell_and_book(OBSERVED, RESET)
        block_until(lambda: len(booked_ids(shop, STEADY)) > SOME)
        copy.take()
        before = booked_ids(shop, STEADY)
        shop.kubectl.apply(flashsale(RESET, {"stock": STOCK, "round": 2}), flashsale(NEWER, {"stock": STOCK}))
        offices.create_over_http(UNMANAGED)
        shop.until_status(RESET, lambda status: (status["round"], status["phase"]) == (2, "Open"))
        shop.until_open(NEWER)
        offices.sell_and_book(OBSERVED, RESET, NEWER, UNMANAGED)
        block_until(lambda: len(booked_ids(shop, STEADY) - before) > SOME)
        booked = booked_ids(shop, *SALES)
        copy.stop_server()
        waiting = waiting_ids(shop, *SALES)
        offices.sell(RESET, NEWER, UNMANAGED)  # what waits in the stream is of rounds that the copy does not know
        missing = booked - waiting - copy.put_back()
        forgotten = {sale: {id_ for id_ in missing if id_.startswith(f"{sale}.")} for sale in SALES}
        assert all(len(ids) >= SOME for ids in forgotten.values())
        copy.start_server()
        back = time.monotonic()
        until_booked(shop, forgotten | {sale: offices.told[sale] for sale in (RESET, NEWER)}, back + EXACT_SECONDS)
        print(f"\nbooked again {time.monotonic() - back:.1f} s after PostgreSQL was back")
    print({sale: len(ids) for sale, ids in forgotten.items()}, "forgotten", json.dumps(load.outcomes()))
    assert load.outcomes().keys() == {ACCEPTED}
    offices.told[STEADY] = {record.reservation_id for record in load.records() if record.reservation_id}
    return Loss(offices, forgotten, load.records(), back)


def test_the_sale_that_went_on_is_exact(shop: Shop, loss: Loss) -> None:
    settled = assert_exact(shop, STEADY, loss.purchases, since=loss.back)
    print(f"\nexact {time.monotonic() - loss.back:.1f} s after PostgreSQL was back")
    assert settled["stock"]["booked"] == len(loss.purchases)
    assert settled["stock"]["rebooked"] >= len(loss.forgotten[STEADY])
    assert condition(settled, "LedgerConsistent") == ("True", "Consistent")


@pytest.mark.parametrize(("sale", "round_"), [(STEADY, 1), (RESET, 2), (NEWER, 1)])
def test_every_told_buyer_has_a_booking_under_the_told_id(shop: Shop, loss: Loss, sale: str, round_: int) -> None:
    assert booked_ids(shop, sale) == loss.offices.told[sale]
    view = loss.offices.view(sale)
    assert (view["round"], view["lost"], view["set_aside"], view["oversold"]) == (round_, 0, 0, 0)
    assert view["rebooked"] >= len(loss.forgotten[sale])
    assert loss.offices.sold_twice(sale) == 0
    assert "OrdersRebooked" in reasons(shop, sale)


def test_a_sale_that_only_the_stock_server_knows_is_stopped_until_it_is_created_again(shop: Shop, loss: Loss) -> None:
    block_until(lambda: UNKNOWN in shop.kubectl("logs", f"deployment/{shop.name('operator')}", "--tail=-1"))
    refused = loss.offices.crowd.buy(shop.url, UNMANAGED, requests=1)
    assert ACCEPTED not in refused.outcomes
    loss.offices.create_over_http(UNMANAGED)
    block_until(lambda: booked_ids(shop, UNMANAGED) == loss.offices.told[UNMANAGED], seconds=EXACT_SECONDS)
    view = loss.offices.view(UNMANAGED)
    assert (view["lost"], view["remaining"]) == (0, STOCK - len(loss.offices.told[UNMANAGED]))


def test_under_observe_the_loss_is_told_and_no_ticket_is_sold_again(shop: Shop, loss: Loss) -> None:
    told, forgotten = loss.offices.told[OBSERVED], loss.forgotten[OBSERVED]
    shop.until_status(OBSERVED, lambda status: condition(status, "LedgerConsistent") == ("False", "OrdersMissing"))
    left = STOCK - len(told)
    assert loss.offices.buy(OBSERVED, STOCK).outcomes == {ACCEPTED: left, SOLD_OUT: STOCK - left}
    loss.offices.until_drained(OBSERVED)
    assert told - booked_ids(shop, OBSERVED) == forgotten

    shop.kubectl.apply(flashsale(OBSERVED, {"stock": STOCK}))
    block_until(lambda: booked_ids(shop, OBSERVED) == told, seconds=EXACT_SECONDS)
    view = loss.offices.view(OBSERVED)
    assert (view["booked"], view["rebooked"], view["lost"]) == (STOCK, len(forgotten), 0)


def until_booked(shop: Shop, expected: dict[str, set[str]], deadline: float) -> None:
    """Wait until the orders of the sales that are made good are booked. `deadline` is on the monotonic clock."""
    missing: dict[str, set[str]] = {}

    def none_missing() -> bool:
        for sale in (STEADY, RESET, NEWER):
            missing[sale] = expected[sale] - booked_ids(shop, sale)
        return not any(missing.values())

    try:
        block_until(none_missing, seconds=deadline - time.monotonic())
    except TimeoutError as late:
        counts = {sale: len(ids) for sale, ids in missing.items()}
        raise AssertionError(f"buyers who were told and have no booking: {counts}") from late


def reasons(shop: Shop, sale: str) -> set[str]:
    """Return the reasons of the events of the sale's resource."""
    events = shop.kubectl.get("events", f"--field-selector=involvedObject.name={sale}")["items"]
    return {event["reason"] for event in events}
