"""Prometheus metrics of this reconciler. An API process exposes them, through PROMETHEUS_MULTIPROC_DIR."""

from prometheus_client import Counter, Gauge

CHECKS = Counter(
    "atomictickets_reconcile_checks", "Checks of a sale, by the kind of drift that was found", ["found"], registry=None
)
ACTIONS = Counter(
    "atomictickets_reconcile_actions",
    "Actions, by kind and by whether they took effect",
    ["action", "done"],
    registry=None,
)
REBOOKED = Counter(
    "atomictickets_reconcile_rebooked_tickets",
    "Tickets of orders that the ledger had lost and that were booked again",
    registry=None,
)
UNKNOWN_SALES = Gauge(
    "atomictickets_reconcile_unknown_sales",
    "Sales that the gate has and the ledger does not; they are fenced",
    registry=None,
    multiprocess_mode="max",
)
LAST_TURN = Gauge(
    "atomictickets_reconcile_last_turn_timestamp_seconds",
    "Time of the end of the last turn over all sales, in seconds since 1970",
    registry=None,
    multiprocess_mode="max",
)
