"""All arms, in the order of their turns in a round."""

from collections.abc import Sequence

from app.errors import AtomicTicketsError
from app.lab.bench import request_arms, telemetry_arms, worker_arms
from app.lab.bench.rig import ALTERNATING, ALTERNATING_1, ALTERNATING_100, API_2, CONSTANT, FLOOR_1, FLOOR_2, TRACED_100
from app.lab.bench.run import Arm

ARMS = (
    Arm("floor", "FastAPI parses the body, answers a constant", request_arms.floor, (FLOOR_1,), warms=True),
    Arm("floor-doubled", "the same, from two generators", request_arms.floor_doubled, (FLOOR_1,)),
    Arm(
        "constant-gate", "the purchase route, the gate a constant", request_arms.constant_gate, (CONSTANT,), warms=True
    ),
    Arm("purchases", "accepted; fsync always, 1 API process", request_arms.purchases, warms=True),
    Arm("buyers-100", "accepted, 100 buyers at once", request_arms.buyers_100),
    Arm("open-loop", "accepted at 70 % of that, on schedule", request_arms.open_loop),
    Arm("sold-out", "refused, nothing left", request_arms.sold_out),
    Arm("purchases-everysec", "accepted; fsync everysec, 1 API process", request_arms.purchases_everysec),
    Arm("telemetry-off", "accepted, half of the time without telemetry", telemetry_arms.off, (ALTERNATING,)),
    Arm("telemetry-control", "the same, never with telemetry", telemetry_arms.control, (ALTERNATING,)),
    Arm("telemetry-1", "the same, else 1 % of them traced", telemetry_arms.traced_1, (ALTERNATING_1,)),
    Arm("telemetry-100", "the same, else all of them traced", telemetry_arms.traced_100, (ALTERNATING_100,)),
    Arm("collector", "accepted, all of them traced", telemetry_arms.collector, (TRACED_100,), warms=True),
    Arm("collector-killed", "the same, the collector killed half way", telemetry_arms.collector_killed, (TRACED_100,)),
    Arm("collector-silent", "the same, nobody answers the spans", telemetry_arms.collector_silent, (TRACED_100,)),
    Arm("floor-2", "the floor with 2 API processes", request_arms.floor_2, (FLOOR_2,), warms=True),
    Arm("purchases-2", "accepted; fsync always, 2 API processes", request_arms.purchases_2, (API_2,), warms=True),
    Arm("tickets-10", "answers, 10 tickets for sale", request_arms.tickets_10),
    Arm("tickets-1000", "answers, 1,000 tickets for sale", request_arms.tickets_1000),
    Arm("tickets-100000", "answers, 100,000 tickets for sale", request_arms.tickets_100000),
    Arm("drain", "booked from a backlog, 1 worker", worker_arms.drain),
    Arm("steady", "accepted while 1 worker books, 1 API process", worker_arms.steady),
    Arm("steady-2", "accepted while 2 workers book, 2 API processes", worker_arms.steady_2, (API_2,)),
    Arm("seeding", "sales created", worker_arms.seeding),
    Arm("soak", "100,000 orders accepted, 1 worker books", worker_arms.soak, most_rounds=1),
)
QUICK = ("floor", "floor-doubled", "constant-gate", "purchases", "buyers-100", "sold-out", "drain", "steady", "seeding")


class UnknownArm(AtomicTicketsError):
    status, slug, title = 422, "unknown-arm", "Unknown Arm"


def chosen(names: Sequence[str]) -> list[Arm]:
    """Raises UnknownArm."""
    known = {arm.name: arm for arm in ARMS}
    for name in names:
        if name not in known:
            raise UnknownArm(f"No arm is called {name!r}; there are {', '.join(known)}.")
    return [arm for arm in ARMS if arm.name in names]
