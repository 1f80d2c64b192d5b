"""The Prometheus counters of the races of this process. An API process exposes them."""

from prometheus_client import Counter

ATTEMPTS = Counter(
    "atomictickets_race_attempts",
    "Attempts of racing strategies by fate: kept, overflow (of this process's memory), round-full, failed",
    ["fate"],
    registry=None,
)
WITNESSES = Counter(
    "atomictickets_race_witnesses", "Pairs of colliding attempts that this process found", ["hazard"], registry=None
)
