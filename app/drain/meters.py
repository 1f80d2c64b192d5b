"""What the drains of this process did, for Prometheus. An API process shows it, through PROMETHEUS_MULTIPROC_DIR."""

from prometheus_client import Counter, Histogram

# A batch of 500 takes about 50 ms; 3 s is the statements' time-out.
BATCH_BUCKETS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0)

ORDERS = Counter(
    "atomictickets_drain_orders",
    "Orders by what became of them: booked, rejected, duplicate, known (delivered again), set-aside",
    ["fate"],
    registry=None,
)
BATCH_SECONDS = Histogram(
    "atomictickets_drain_batch_seconds",
    "From a batch's reading to its acknowledgement",
    buckets=BATCH_BUCKETS_SECONDS,
    registry=None,
)
