"""What the races of this process left behind, for Prometheus. An API process shows it."""

from prometheus_client import Counter

ATTEMPTS = Counter(
    "atomictickets_race_attempts",
    "Attempts of racing strategies by what became of them: kept, overflow (of this process), round-full, failed",
    ["fate"],
    registry=None,
)
WITNESSES = Counter(
    "atomictickets_race_witnesses", "Pairs of attempts that this process found to collide", ["hazard"], registry=None
)
