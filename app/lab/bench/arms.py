"""All arms, in the order of their turns in a round. An arm is one measured configuration."""

from collections.abc import Sequence

from app.errors import AtomicTicketsError
from app.lab.bench import request_arms, telemetry_arms, worker_arms
from app.lab.bench.rig import ALTERNATING, ALTERNATING_1, ALTERNATING_100, API_2, CONSTANT, FLOOR_1, FLOOR_2, TRACED_100
from app.lab.bench.run import Arm

ARMS = (
    Arm("floor", "answers of a plain FastAPI route", request_arms.floor, (FLOOR_1,), warms=True),
    Arm("floor-doubled", "the same, sent by two generators", request_arms.floor_doubled, (FLOOR_1,)),
    Arm(
        "constant-gate",
        "answers of the purchase route without a gate",
        request_arms.constant_gate,
        (CONSTANT,),
        warms=True,
    ),
    Arm("purchases", "accepted; fsync always, 1 API process", request_arms.purchases, warms=True),
    Arm("buyers-100", "accepted, 100 buyers at once", request_arms.buyers_100),
    Arm("open-loop", "accepted, on schedule at 70 % of purchases", request_arms.open_loop),
    Arm("sold-out", "refused as sold out", request_arms.sold_out),
    Arm("purchases-everysec", "accepted; fsync everysec, 1 API process", request_arms.purchases_everysec),
    Arm("telemetry-off", "accepted, telemetry and stub in turn", telemetry_arms.off, (ALTERNATING,)),
    Arm("telemetry-control", "accepted, two stubs in turn", telemetry_arms.control, (ALTERNATING,)),
    Arm("telemetry-1", "as telemetry-off, 1 % of them traced", telemetry_arms.traced_1, (ALTERNATING_1,)),
    Arm("telemetry-100", "as telemetry-off, all of them traced", telemetry_arms.traced_100, (ALTERNATING_100,)),
    Arm("collector", "accepted, all of them traced", telemetry_arms.collector, (TRACED_100,), warms=True),
    Arm("collector-killed", "the same, collector killed half way", telemetry_arms.collector_killed, (TRACED_100,)),
    Arm("collector-silent", "the same, collector never answers", telemetry_arms.collector_silent, (TRACED_100,)),
    Arm("floor-2", "the floor with 2 API processes", request_arms.floor_2, (FLOOR_2,), warms=True),
    Arm("purchases-2", "accepted; fsync always, 2 API processes", request_arms.purchases_2, (API_2,), warms=True),
    Arm("tickets-10", "all answers, 10 tickets for sale", request_arms.tickets_10),
    Arm("tickets-1000", "all answers, 1,000 tickets for sale", request_arms.tickets_1000),
    Arm("tickets-100000", "all answers, 100,000 tickets for sale", request_arms.tickets_100000),
    Arm("drain", "booked from a backlog, 1 worker", worker_arms.drain),
    Arm("steady", "accepted while 1 worker books, 1 API process", worker_arms.steady),
    Arm("steady-2", "accepted while 2 workers book, 2 API processes", worker_arms.steady_2, (API_2,)),
    Arm("seeding", "sales created", worker_arms.seeding),
    Arm("soak", "accepted, 100,000 orders while 1 worker books", worker_arms.soak, most_rounds=1),
)
QUICK = ("floor", "floor-doubled", "constant-gate", "purchases", "buyers-100", "sold-out", "drain", "steady", "seeding")


class UnknownArm(AtomicTicketsError):
    """An arm was named that does not exist."""

    status, slug, title = 422, "unknown-arm", "Unknown Arm"


def chosen_arms(names: Sequence[str]) -> list[Arm]:
    """Return the arms with these names, in the order of their turns. Raise UnknownArm."""
    known = {arm.name: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise UnknownArm(f"There is no arm {name!r}. Known: {', '.join(known)}.")
    return [arm for arm in ARMS if arm.name in names]
