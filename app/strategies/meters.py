"""What the ways to sell did beside selling, for Prometheus. An API process shows it."""

from prometheus_client import Counter

RETRIES = Counter(
    "atomictickets_purchase_retries",
    "Attempts at a purchase that failed because somebody was faster: version, key, locked, watched, or an SQLSTATE",
    ["strategy", "why"],
    registry=None,
)
