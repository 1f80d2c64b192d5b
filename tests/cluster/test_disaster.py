"""After a disaster the stores are back before the resources, which then have new uids: no sale ends meanwhile."""

from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.gate.connection import make_redis
from app.lab.stack.servers.valkey import ValkeyServer
from app.ledger.sales import SaleRepository
from tests.cluster.installation import Installation
from tests.cluster.manifests import quick
from tests.support.box_office import BoxOffice
from tests.support.patience import PATIENT_GATE
from tests.support.until import until

pytestmark = pytest.mark.cluster

ABSENT = 'atomictickets_flashsale_absent_seconds{sale="drop"}'


# This takes 13 s, because the Lease of a killed operator lasts for 6 s.
async def test_the_documented_order_keeps_every_sale(
    installation: Installation,
    sales: SaleRepository,
    make_valkey: Callable[..., ValkeyServer],
    key_prefix: str,
    engine: AsyncEngine,
) -> None:
    """The control is in tests/flashsale_operator/test_loop.py: without the grace time another round starts."""
    server = make_valkey()
    office = BoxOffice(make_redis(server.url, "test", PATIENT_GATE), key_prefix, engine)
    installation.set_up()
    lost = installation.start_operator(REDIS_URL=server.url)
    installation.api.create(quick())
    installation.until_phase("Open")
    await office.sell(4)
    await office.drain()

    lost.kill()
    installation.api.delete("flashsale/drop")
    await office.redis.flushall()
    operator = installation.start_operator(REDIS_URL=server.url, OPERATOR_ABSENCE_GRACE_SECONDS="3600")
    installation.until(lambda: "no resource declares the sale" in operator.log.read_text())
    await until(lambda: is_open(office))  # recounted from the ledger alone
    assert operator.metric(ABSENT) > 0

    installation.api.create(quick())
    status = installation.until_phase("Open")
    assert (status["round"], status["stock"]["remaining"], status["stock"]["booked"]) == (1, 6, 4)
    assert "Adopted" in installation.reasons()
    installation.until(lambda: "a resource declares the sale again" in operator.log.read_text())
    sale = await sales.get("drop")
    assert sale is not None
    assert sale.ended_at is None
    await office.redis.aclose()


async def is_open(office: BoxOffice) -> bool:
    snapshot = await office.gate.snapshot("drop")
    return snapshot is not None and snapshot.state == "open"
