"""The Prometheus counter of the strategies' retries. An API process exposes it."""

from prometheus_client import Counter

RETRIES = Counter(
    "atomictickets_purchase_retries",
    "Attempts at a purchase that lost a race, by reason: version, key, locked, watched, or an SQLSTATE",
    ["strategy", "why"],
    registry=None,
)
