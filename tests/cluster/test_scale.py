"""The Deployment of workers follows the backlog of all sales."""

import re

import pytest

from app.gate.replies import FencingToken
from flashsale_operator.events import COMPONENT
from tests.cluster.installation import WORKERS, Installation
from tests.cluster.manifests import quick
from tests.cluster.statuses import condition
from tests.support.box_office import BoxOffice
from tests.support.sales import a_purchase

pytestmark = pytest.mark.cluster

ORDERS = 20_000
AT_ONCE = 500  # purchases in one call of the gate's script


@pytest.mark.thorough
async def test_a_backlog_of_twenty_thousand_scales_the_workers_up_and_down_again(
    running: Installation, office: BoxOffice
) -> None:
    running.api.create(quick(stock=ORDERS, workers={"min": 0, "max": 5, "backlogPerWorker": 500}))
    running.until_phase("Open")
    assert running.replicas() == 1
    for first in range(0, ORDERS, AT_ONCE):
        purchases = [a_purchase(f"buyer-{number}") for number in range(first, first + AT_ONCE)]
        assert (await office.gate.reserve("drop", purchases, FencingToken(1, 1))).result == "decided"
    running.until(lambda: running.replicas() == 5)
    running.start_worker()
    running.until_status(lambda status: status["stock"]["booked"] == ORDERS)
    # The operator posts the event after it has scaled the Deployment, so the test waits for the event.
    running.until(lambda: [after for *_, after in size_changes(running)][-1:] == [1])
    assert running.replicas() == 1
    changes = size_changes(running)
    assert changes[0][1] == 1
    assert max(after for _, _, after in changes) == 5
    reasons = [reason for reason, *_ in changes]
    assert reasons == sorted(reasons, reverse=True)  # up and then down, without going back
    assert set(reasons) == {"ScaledUp", "ScaledDown"}


@pytest.mark.thorough  # takes 12 s: if nothing changes, the operator reads the Deployment every ten seconds
async def test_the_pool_has_a_maximum_and_is_kept_at_its_size(installation: Installation, office: BoxOffice) -> None:
    installation.set_up()
    installation.start_operator(OPERATOR_MAX_WORKERS="4")
    installation.api.create(quick(stock=100, workers={"min": 0, "max": 5, "backlogPerWorker": 10}))
    installation.until_phase("Open")
    await office.sell(60)
    installation.until(lambda: installation.replicas() == 4)
    status = installation.until_status(
        lambda status: (status["workers"]["pool"], status["workers"]["desired"]) == (4, 5)
    )
    assert condition(status, "Ready")[0] == "True"

    installation.api.patch(f"deployment/{WORKERS}", {"spec": {"replicas": 2}})
    installation.until(lambda: installation.replicas() == 4)


async def test_without_a_deployment_the_sale_says_so_and_sells(running: Installation, office: BoxOffice) -> None:
    running.api.delete(f"deployment/{WORKERS}")
    running.api.create(quick())
    status = running.until_status(lambda status: condition(status, "Ready")[1] == "WorkersNotScaled")
    assert status["phase"] == "Open"
    assert len(await office.sell(1)) == 1
    assert running.operators[0].probe() == 200


def size_changes(installation: Installation) -> list[tuple[str, int, int]]:
    """Return the reason, the size before and the size after of each change that the operator reported in an event."""
    return [
        (event["reason"], *sizes(event["message"]))
        for event in installation.events(WORKERS)
        if event["source"]["component"] == COMPONENT
    ]


def sizes(message: str) -> tuple[int, int]:
    """Return the two sizes in a message such as `Scaled the workers from 1 to 5, ...`."""
    before, after = re.findall(r"\d+", message)[:2]
    return int(before), int(after)
