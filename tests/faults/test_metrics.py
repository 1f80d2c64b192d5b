"""Any API process exports the metrics of all processes on its machine, also of those that listen on no port."""

import re

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.fixtures.platform import MakePlatform
from tests.support.platform import Platform
from tests.support.until import until

VALUE = re.compile(r"^(\w+(?:\{.*\})?) (\S+)$", re.MULTILINE)


async def scrape(platform: Platform) -> dict[str, float]:
    response = await platform.ask("GET", "/metrics")
    return {name: float(value) for name, value in VALUE.findall(response.text)}


@pytest.mark.usefixtures("no_forks")  # the processes start by their commands, as in production
async def test_metrics_include_workers_and_reconciler(make_platform: MakePlatform) -> None:
    platform = await make_platform(workers=2, idle=("reconcile",))
    sale = await platform.create_sale_of_first_epoch(stock=10)
    await platform.blast(sale, 15)
    await platform.settled(sale)

    async def counted() -> bool:  # a worker counts an order after it is acknowledged
        return (await scrape(platform)).get('atomictickets_drain_orders_total{fate="booked"}', 0) >= 10

    await until(counted)
    before = await scrape(platform)
    open_metrics = await platform.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text"})
    values = {
        sample.name: sample.value
        for family in text_string_to_metric_families(open_metrics.text)
        for sample in family.samples
    }
    assert values["atomictickets_purchase_seconds_count"] == before["atomictickets_purchase_seconds_count"] == 15
    assert before['atomictickets_drain_orders_total{fate="booked"}'] == 10
    assert before["atomictickets_drain_batch_seconds_count"] >= 1
    assert before[f'atomictickets_sale_lost{{sale="{sale}"}}'] == 0
    assert before[f'atomictickets_sale_rebooked{{sale="{sale}"}}'] == 0
    assert before["atomictickets_reconcile_unknown_sales"] == 0
    assert before["atomictickets_reconcile_rebooked_tickets_total"] == 0

    async def checked_again() -> bool:
        now = await scrape(platform)
        later = "atomictickets_reconcile_last_turn_timestamp_seconds"
        return now[later] > before[later] and now.get('atomictickets_reconcile_checks_total{found="none"}', 0) >= 1

    await until(checked_again)
