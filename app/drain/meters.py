"""Prometheus metrics of this process's drain. An API process exposes them, through PROMETHEUS_MULTIPROC_DIR."""

from prometheus_client import Counter, Histogram

# A batch of 500 takes about 50 ms; 3 s is the statement timeout.
BATCH_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)

ORDERS = Counter(
    "atomictickets_drain_orders",
    "Orders by fate: booked, rejected, duplicate, known (delivered again), set-aside",
    ["fate"],
    registry=None,
)
BATCH_SECONDS = Histogram(
    "atomictickets_drain_batch_seconds",
    "Seconds from the reading of a batch to its acknowledgement",
    buckets=BATCH_BUCKETS_SECONDS,
    registry=None,
)
