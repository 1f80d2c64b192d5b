"""The traces in the release's Jaeger: a race between two pods, and one whole trace for each order."""

import pytest

from tests.cluster.manifests import flashsale
from tests.cluster.pods.blasts import blast
from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.jaeger import Jaeger, when
from tests.cluster.pods.shop import Shop
from tests.support.collisions import LOST_UPDATE, OTHER_POD, POD, READ, WRITTEN, both_windows, other_of
from tests.support.order_spans import BATCH, BUY, CALL, OUTCOME, RESERVED, accepted, trace_of_order, whole_orders
from tests.support.received import ReceivedSpan, Spans

pytestmark = [pytest.mark.cluster, pytest.mark.pods, pytest.mark.thorough, pytest.mark.timeout(400)]

API, OPERATOR = "atomictickets-api", "atomictickets-operator"
SALE = "atomictickets.sale"
STOCK, BUYERS = 40, 60


def test_two_pods_that_read_one_version_and_both_sold(shop: Shop, crowd: CrowdPod, jaeger: Jaeger) -> None:
    sale = "race-in-jaeger"
    # The pause is longer than two pods need to begin, so that both read the first version even on a busy machine.
    terms = {"name": sale, "strategy": "naive", "stock": 10, "think_ms": 200}
    created = crowd.request("POST", f"{shop.url}/sales", token=shop.admin_token(), body=terms)
    assert created.status == 201, created.document
    # As many at a time as one pod has connections to the ledger: a buyer that waits too long for a connection gets a
    # 503, and its span is an error.
    result = blast(shop, crowd, sale, requests=100, concurrency=20)
    witnesses = result["witnesses"]
    assert witnesses["written"] == result["accepted"] > 10
    spans = when(
        lambda: jaeger.search(API, LOST_UPDATE, {SALE: sale}),
        lambda found: len(found.named(LOST_UPDATE)) == 2 * witnesses["total"] > 0,
    )
    of_two_pods = [span for span in spans.named(LOST_UPDATE) if span.attributes[POD] != span.attributes[OTHER_POD]]
    assert of_two_pods
    for collision in of_two_pods:
        own, other = both_windows(spans, (collision.trace_id, collision.parent_id), other_of(collision))
        assert own.trace_id != other.trace_id
        assert [pod_of(own), pod_of(other)] == [own.attributes[POD], other.attributes[POD]]
        assert {pod_of(own), pod_of(other)} <= names(shop, "api")
    assert_pairs_are_found(jaeger, witnesses["pairs"])
    assert spans.errors() == []


def test_each_accepted_order_is_one_trace_from_the_buyer_to_the_ledger(
    shop: Shop, crowd: CrowdPod, jaeger: Jaeger
) -> None:
    sale = "orders-in-jaeger"
    shop.kubectl.apply(flashsale(sale, {"stock": STOCK}))
    shop.until_open(sale)
    apis, workers = names(shop, "api"), names(shop, "worker")
    result = blast(shop, crowd, sale, requests=BUYERS, trace_ratio=1.0)
    workers |= names(shop, "worker")  # a pool that shrinks takes away those who have booked
    assert result["outcomes"] == {"accepted": STOCK, "sold-out": BUYERS - STOCK}
    spans = when(
        lambda: jaeger.search(API, BUY, {SALE: sale, OUTCOME: RESERVED}), lambda found: whole_orders(found) == STOCK
    )
    bought = accepted(spans)
    assert len({span.trace_id for span in bought}) == STOCK
    for span in bought:
        reserve, book = trace_of_order(spans, span)
        assert pod_of(span) == pod_of(reserve) in apis
        assert pod_of(book) in workers
    refused = when(
        lambda: jaeger.search(API, BUY, {SALE: sale, OUTCOME: "sold-out"}),
        lambda found: len(found.named(BUY)) == BUYERS - STOCK,
    )
    shared = spans_that_orders_share(jaeger, spans)
    assert {span.name for span in shared.spans} >= {CALL, BATCH, "reconcile FlashSale"}
    assert {pod_of(span) for span in shared.spans if span.service == OPERATOR} == names(shop, "operator")
    assert spans.errors() == refused.errors() == shared.errors() == []
    assert jaeger.search(API, LOST_UPDATE, {SALE: sale}).spans == [], "an exact sale has no race"


def assert_pairs_are_found(jaeger: Jaeger, pairs: list[dict[str, dict[str, str]]]) -> None:
    """Find each pair that a blast's result names, by its ids alone. Assert that pairs of two pods come first."""
    sides = [(pair["first"], pair["second"]) for pair in pairs]
    found = jaeger.traces(side["trace_id"] for pair in sides for side in pair)
    for pair in sides:
        first, second = ((side["trace_id"], side["span_id"]) for side in pair)
        for side, window in zip(pair, both_windows(found, first, second), strict=True):
            attributes = [window.attributes[name] for name in (POD, READ, WRITTEN)]
            assert attributes == [side["pod"], side["version_read"], side["version_written"]]
    assert sides[0][0]["pod"] != sides[0][1]["pod"]


def spans_that_orders_share(jaeger: Jaeger, spans: Spans) -> Spans:
    """Return the spans that the orders' spans link to: script calls, workers' transactions, the seeding of the gate."""
    links = {link for span in spans.spans for link in span.links}
    traces = {trace_id for trace_id, _ in links}
    return when(lambda: jaeger.traces(traces), lambda found: links <= {span.ids for span in found.spans})


def pod_of(span: ReceivedSpan) -> str:
    return str(span.resource["k8s.pod.name"])


def names(shop: Shop, component: str) -> set[str]:
    return {pod["metadata"]["name"] for pod in shop.pods(component)}
