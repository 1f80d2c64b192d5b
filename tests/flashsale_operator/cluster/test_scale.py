"""The Deployment of workers follows the backlog of all sales."""

import asyncio

from tests.flashsale_operator.cluster.conftest import MakeOperator
from tests.flashsale_operator.cluster.kubectl import Namespace, condition, flashsale, is_phase
from tests.flashsale_operator.cluster.operator_process import WORKERS, OperatorProcess
from tests.reconcile.box_office import BoxOffice


async def replicas(namespace: Namespace, wanted: int) -> None:
    async with asyncio.timeout(30):
        while (await namespace.get(f"deployment/{WORKERS}"))["spec"]["replicas"] != wanted:  # noqa: ASYNC110  it comes true in another process
            await asyncio.sleep(0.2)


async def test_a_backlog_scales_the_workers_up_and_down_again(
    namespace: Namespace, make_operator: MakeOperator, office: BoxOffice
) -> None:
    await make_operator(OPERATOR_QUIET_SECONDS=2, OPERATOR_FLOOR=1, OPERATOR_CAP=4).start()
    await namespace.apply(flashsale(stock=100, workers={"min": 0, "max": 5, "backlogPerWorker": 10}))
    await namespace.until(is_phase("Open"))
    await office.sell(30)
    await replicas(namespace, 3)
    await office.sell(30, who="another")
    await replicas(namespace, 4)
    sale = await namespace.until(lambda sale: sale["status"]["workers"]["pool"] == 4)
    assert sale["status"]["workers"]["wished"] == 5
    assert condition(sale, "Ready")["status"] == "True"

    await namespace.kubectl("scale", f"deployment/{WORKERS}", "--replicas=2")
    await replicas(namespace, 4)

    await office.drain()
    await replicas(namespace, 1)
    reasons = await namespace.events(WORKERS)
    assert [reason for reason in reasons if reason.startswith("Scaled")] == [
        "ScaledUp", "ScaledUp", "ScaledUp", "ScaledDown",
    ]  # fmt: skip


async def test_without_a_deployment_the_sale_says_so_and_sells(
    namespace: Namespace, operator: OperatorProcess, office: BoxOffice
) -> None:
    await namespace.delete(f"deployment/{WORKERS}")
    await namespace.apply(flashsale())
    sale = await namespace.until(lambda sale: condition(sale, "Ready")["reason"] == "WorkersNotScaled")
    assert sale["status"]["phase"] == "Open"
    assert len(await office.sell(1)) == 1
    assert (await operator.health()).startswith("HTTP/1.1 200")
