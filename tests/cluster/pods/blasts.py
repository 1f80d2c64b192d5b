"""Blasts that the release's own blast runner sends, requested over HTTP as the dashboard does."""

from typing import Any

from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

WAIT_SECONDS = 60


def blast(
    shop: Shop, crowd: CrowdPod, sale: str, requests: int, *, may_fail: bool = False, **options: Any
) -> dict[str, Any]:
    """Send a blast, by default of all buyers at once, and return its result.

    `may_fail`: some buyers may be asked to retry later.
    """
    body = {"requests": requests, "concurrency": requests} | options
    created = crowd.request("POST", f"{shop.url}/sales/{sale}/blasts", token=shop.admin_token(), body=body)
    assert created.status == 202, created.document
    address = f"{shop.url}/blasts/{created.document['id']}"
    block_until(lambda: crowd.request("GET", address).document["state"] == "finished", seconds=WAIT_SECONDS)
    result: dict[str, Any] = crowd.request("GET", address).document["result"]
    assert may_fail or result["errors"] == 0, result
    return result
