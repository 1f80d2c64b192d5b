"""The operator's Prometheus metrics. The series of a sale end with its resource, when that of its absence begins."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.reconcile.meters import ACTIONS, CHECKS, REBOOKED, UNKNOWN_SALES
from flashsale_operator.resource.models import FlashSaleStatus

BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
STOCK = ("total", "remaining", "backlog", "set_aside", "booked", "rejected", "oversold", "rebooked")
DRIFT = ("leaked", "over_admitted", "unsold", "lost")


class OperatorMetrics:
    """The metrics of one process. `api_requests` returns how many requests the API server was sent."""

    def __init__(self, api_requests: Callable[[], int]) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        for meter in (CHECKS, ACTIONS, REBOOKED, UNKNOWN_SALES):
            self.registry.register(meter)
        self._statuses: dict[str, tuple[FlashSaleStatus, float]] = {}
        self._reconciles = Histogram(
            "atomictickets_operator_reconcile_seconds",
            "Duration of one reconciliation of one sale",
            registry=self.registry,
            buckets=BUCKETS_SECONDS,
        )
        self._errors = Counter(
            "atomictickets_operator_reconcile_errors",
            "Reconciliations that were not completed, by reason",
            ["reason"],
            registry=self.registry,
        )
        self._scraped = _ScrapedMetrics(self._statuses, api_requests)
        self.registry.register(self._scraped)

    def serve(self, port: int) -> None:
        """Serve /metrics on `port`, in a thread."""
        start_http_server(port, registry=self.registry)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure one reconciliation. Count an error and let it propagate."""
        with self._reconciles.time():
            try:
                yield
            except Exception as error:
                self._errors.labels(type(error).__name__).inc()
                raise

    def count_failure(self, reason: str) -> None:
        """Count a reconciliation that found a store away."""
        self._errors.labels(reason).inc()

    def record(self, sale: str, status: FlashSaleStatus) -> None:
        """Record that the sale was reconciled just now, and its status."""
        self._statuses[sale] = (status, time.time())

    def remove(self, sale: str) -> None:
        """End the series of this sale."""
        self._statuses.pop(sale, None)

    def record_absences(self, since: Mapping[str, float]) -> None:
        """Record all sales whose resources are absent, and since when, in monotonic seconds."""
        self._scraped.absent_since = dict(since)


class _ScrapedMetrics(Collector):
    """The requests to the API server and the gauges of sales, computed at the scrape, which runs in another thread."""

    def __init__(self, statuses: dict[str, tuple[FlashSaleStatus, float]], api_requests: Callable[[], int]) -> None:
        self._statuses = statuses
        self._api_requests = api_requests
        self.absent_since: Mapping[str, float] = {}

    def collect(self) -> Iterable[Metric]:
        prefix = "atomictickets_flashsale"
        requests = CounterMetricFamily("atomictickets_operator_api_requests", "Requests sent to the API server")
        requests.add_metric([], self._api_requests())
        yield requests
        phase = GaugeMetricFamily(f"{prefix}_phase", "1 for the phase that the sale is in", labels=["sale", "phase"])
        stock = GaugeMetricFamily(f"{prefix}_tickets", "Tickets of the round, by where they are", labels=["sale", "of"])
        drift = GaugeMetricFamily(f"{prefix}_drift_tickets", "Drift in tickets, by kind", labels=["sale", "kind"])
        epoch = GaugeMetricFamily(f"{prefix}_epoch", "The fencing token", labels=["sale"])
        desired = GaugeMetricFamily(
            f"{prefix}_workers_desired", "Workers that the sale alone asks for", labels=["sale"]
        )
        since = GaugeMetricFamily(
            f"{prefix}_seconds_since_reconcile", "Seconds since the sale was last reconciled", labels=["sale"]
        )
        absent = GaugeMetricFamily(
            f"{prefix}_absent_seconds", "Seconds since a list first lacked the sale's resource", labels=["sale"]
        )
        for sale, first in self.absent_since.items():  # replaced as a whole, never changed
            absent.add_metric([sale], time.monotonic() - first)
        now = time.time()
        for sale, (status, at) in list(self._statuses.items()):  # a copy, because of the thread
            since.add_metric([sale], now - at)
            epoch.add_metric([sale], status.epoch or 0)
            phase.add_metric([sale, str(status.phase)], 1)
            desired.add_metric([sale], status.workers.desired if status.workers else 0)
            for figure in STOCK if status.stock else ():
                stock.add_metric([sale, figure], getattr(status.stock, figure))
            for kind in DRIFT if status.drift else ():
                drift.add_metric([sale, kind], getattr(status.drift, kind))
        yield from (phase, stock, drift, epoch, desired, since, absent)
