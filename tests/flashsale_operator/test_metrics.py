"""The operator serves the figures of each status, and the meters of the reconciler that runs in it."""

from prometheus_client import Counter, Gauge, generate_latest

from app.reconcile import meters
from flashsale_operator.metrics import DRIFT, STOCK, OperatorMetrics
from flashsale_operator.resource.models import DriftStatus, StockStatus

NOT_MET = {meters.LAST_TURN}  # of the reconciler as a process: the operator takes no turns over all sales


def test_every_figure_of_the_status_is_served() -> None:
    assert set(STOCK) == set(StockStatus.model_fields)
    assert set(DRIFT) == set(DriftStatus.model_fields) - {"since_time"}


def test_every_meter_of_the_reconciler_is_served() -> None:
    served = generate_latest(OperatorMetrics(lambda: 0).registry).decode()
    owned = {each for each in vars(meters).values() if isinstance(each, Counter | Gauge)}
    assert len(owned) > len(NOT_MET)
    for meter in owned - NOT_MET:
        (metric,) = meter.collect()
        assert f"# TYPE {metric.name}" in served
    for meter in NOT_MET:
        (metric,) = meter.collect()
        assert metric.name not in served
