"""What this reconciler saw and did, for Prometheus. An API process shows it, through PROMETHEUS_MULTIPROC_DIR."""

from prometheus_client import Counter, Gauge

CHECKS = Counter(
    "atomictickets_reconcile_checks", "Looks at a sale by the kind of drift that was found", ["found"], registry=None
)
ACTIONS = Counter(
    "atomictickets_reconcile_actions",
    "What was undertaken, and whether it took effect",
    ["action", "done"],
    registry=None,
)
LAST_TURN = Gauge(
    "atomictickets_reconcile_last_turn_timestamp_seconds",
    "When all sales had been looked at last, since 1970",
    registry=None,
    multiprocess_mode="max",
)
