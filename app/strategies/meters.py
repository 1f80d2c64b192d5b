"""The Prometheus counter of the strategies' retries. An API process exposes it."""

from prometheus_client import Counter

RETRIES = Counter(
    "atomictickets_purchase_retries",
    "Attempts at a purchase that were repeated, by reason: version, key, counter, locked, fenced, watched, forgotten, "
    "grown, promised, outrun, or an SQLSTATE",
    ["strategy", "reason"],
    registry=None,
)
