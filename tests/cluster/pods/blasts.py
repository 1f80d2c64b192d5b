"""Crowds that the release's own blast runner sends, asked for over HTTP as the dashboard asks."""

from typing import Any

from tests.cluster.pods.crowd_pod import CrowdPod
from tests.cluster.pods.shop import Shop
from tests.support.until import block_until

WAIT_SECONDS = 60


def blast(
    shop: Shop, crowd: CrowdPod, sale: str, requests: int, *, may_fail: bool = False, **options: Any
) -> dict[str, Any]:
    """All at the same moment. Its result. `may_fail`: some may be told to come back."""
    body = {"requests": requests, "concurrency": requests} | options
    asked = crowd.ask("POST", f"{shop.url}/sales/{sale}/blasts", token=shop.admin_token(), body=body)
    assert asked.status == 202, asked.document
    address = f"{shop.url}/blasts/{asked.document['id']}"
    block_until(lambda: crowd.ask("GET", address).document["state"] == "finished", seconds=WAIT_SECONDS)
    result: dict[str, Any] = crowd.ask("GET", address).document["result"]
    assert may_fail or result["errors"] == 0, result
    return result
