"""`python -m app.smoke`: buys two tickets of a new sale, as a client, and checks that they are booked.

API_URL and API_ADMIN_TOKEN name the service. With --resource GROUP/VERSION/PLURAL it first checks that the API server
of its cluster serves that resource. It exits with 0 on success, and with 1 and a sentence on standard error otherwise.
"""

import argparse
import asyncio
import sys
import time
import uuid
from pathlib import Path

from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from app.client import Document, SaleClient
from app.errors import AtomicTicketsError
from app.settings import ApiSettings, KubernetesSettings

STOCK = 3
BOOKING_TIMEOUT_SECONDS = 60.0  # a worker may have to start first
POLL_SECONDS = 0.2
ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class SmokeFailed(AtomicTicketsError):
    """A check failed."""

    status, slug, title = 500, "smoke-failed", "Smoke Test Failed"


async def check_sale(client: SaleClient) -> None:
    """Create a sale, buy two tickets, and check that they are booked and the sale adds up.

    The sale is ended in any case. Raise SmokeFailed if a check fails, or what the client raises.
    """
    sale = f"helm-test-{uuid.uuid4().hex[:12]}"
    await client.create({"name": sale, "strategy": "atomic", "stock": STOCK})
    try:
        bought = await client.buy(sale, "smoke", uuid.uuid4().hex)
        again = await client.buy(sale, "smoke", uuid.uuid4().hex)
        for reservation in (bought, again):
            await _until_booked(client, str(reservation["reservation_id"]))
        identity = await _settled(client, sale)
        expected = {"stock": STOCK, "remaining": STOCK - 2, "booked": 2}
        if not identity["holds"] or any(identity[name] != count for name, count in expected.items()):
            raise SmokeFailed(f"The service reports {identity} instead of {expected}.")
    finally:
        await client.end(sale)


async def _until_booked(client: SaleClient, reservation_id: str) -> None:
    """Wait until the reservation is booked.

    Raise SmokeFailed after BOOKING_TIMEOUT_SECONDS, or if the reservation ends otherwise.
    """
    deadline = time.monotonic() + BOOKING_TIMEOUT_SECONDS
    while True:
        reservation = await client.reservation(reservation_id)
        status = "unknown" if reservation is None else reservation["status"]
        if status == "booked":
            return
        if status not in ("pending", "unknown") or time.monotonic() > deadline:
            raise SmokeFailed(f"The reservation {reservation_id} is {status} instead of booked.")
        await asyncio.sleep(POLL_SECONDS)


async def _settled(client: SaleClient, sale: str) -> Document:
    """Return the counts of the sale once they can be added up: a booked order leaves the stream after its commit."""
    deadline = time.monotonic() + BOOKING_TIMEOUT_SECONDS
    while (identity := await _identity(client, sale))["holds"] is None and time.monotonic() < deadline:  # noqa: ASYNC110  the change happens in another process
        await asyncio.sleep(POLL_SECONDS)
    return identity


async def _identity(client: SaleClient, sale: str) -> Document:
    """Return the counts of the sale, and whether they add up to its stock."""
    view = await client.sale(sale)
    if view is None:
        raise SmokeFailed(f"The service does not know the sale {sale} any more.")
    identity: Document = view["identity"]
    return identity


def check_served(resource: str) -> None:
    """Ask the cluster's API server, with the pod's own account. Raise SmokeFailed if the resource is not served."""
    group_version, _, plural = resource.rpartition("/")
    cluster = KubernetesSettings()
    url = f"https://{cluster.host}:{cluster.port}/apis/{group_version}"
    headers = {"Authorization": f"Bearer {(ACCOUNT / 'token').read_text()}"}
    try:
        with PoolManager(ca_certs=str(ACCOUNT / "ca.crt")) as pool:
            response = pool.request("GET", url, headers=headers, timeout=10, retries=False)
    except HTTPError as error:
        raise SmokeFailed(f"The cluster does not serve {group_version}: {error}.") from error
    if response.status != 200:
        raise SmokeFailed(f"The cluster does not serve {group_version}: {response.status} {response.reason}.")
    served = [entry["name"] for entry in response.json()["resources"]]
    if plural not in served:
        raise SmokeFailed(f"The cluster does not serve {plural} in {group_version}, only {', '.join(served)}.")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m app.smoke", description="Buy two tickets and check that they are booked."
    )
    parser.add_argument("--resource", metavar="GROUP/VERSION/PLURAL", help="a resource that the cluster must serve")
    resource: str | None = parser.parse_args().resource
    settings = ApiSettings()
    try:
        if resource:
            check_served(resource)
        asyncio.run(check_sale(SaleClient(settings.url, settings.token)))
    except AtomicTicketsError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        return 1
    print("bought, booked, and every ticket is accounted for")
    return 0


if __name__ == "__main__":
    sys.exit(main())
