"""The metrics of one API process for Prometheus, or of all processes of a host if PROMETHEUS_MULTIPROC_DIR is set."""

import platform
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from app.settings import ProcessSettings

# A purchase takes some ms. The time-outs of the stock server and of the queue before it are 1.0 and 2.0 s.
LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

Encode = Callable[[Collector], bytes]


class SaleFigures(Protocol):
    """The figures of a sale that are exposed: in tickets, except `round` and `epoch`."""

    @property
    def name(self) -> str: ...
    @property
    def round(self) -> int: ...
    @property
    def epoch(self) -> int: ...
    @property
    def stock(self) -> int: ...
    @property
    def remaining(self) -> int | None: ...
    @property
    def backlog(self) -> int | None: ...
    @property
    def booked(self) -> int: ...
    @property
    def set_aside(self) -> int: ...
    @property
    def oversold(self) -> int: ...
    @property
    def lost(self) -> int | None: ...
    @property
    def rebooked(self) -> int: ...


GAUGES = {
    "round": "The round of the sale, raised by each reset",
    "epoch": "The fencing token of the sale",
    "stock": "Tickets of the round",
    "remaining": "Tickets that the strategy's counter has left",
    "backlog": "Tickets accepted and not yet in the ledger",
    "booked": "Tickets booked in the ledger",
    "set_aside": "Tickets of orders that are set aside and wait for a person",
    "oversold": "Tickets booked beyond the stock",
    "lost": "Tickets that were promised to buyers and that no store has",
    "rebooked": "Tickets of bookings that the ledger had lost and that were made again",
}


class Metrics:
    """The meters of one application. A purchase costs 0.9 us here, and 2.4 us if the values are in shared files.

    `others`: meters of this process that other modules own and that are exposed here.
    """

    def __init__(self, *others: Counter) -> None:
        self._registry = CollectorRegistry()
        for other in others:
            self._registry.register(other)
        self._shared = ProcessSettings().prometheus_multiproc_dir is not None
        if not self._shared:
            ProcessCollector(registry=self._registry)
        self._purchases = Counter(
            "atomictickets_purchases", "Answered purchases by outcome", ["outcome"], registry=self._registry
        )
        self._seconds = Histogram(
            "atomictickets_purchase_seconds",
            "From the request's head to its answer",
            registry=self._registry,
            buckets=LATENCY_BUCKETS_SECONDS,
        )
        # By outcome, because labels() takes a lock and builds a key on each call.
        self._counts: dict[str, Callable[[float, dict[str, str] | None], None]] = {}

    def purchase(self, outcome: str, seconds: float, trace_id: str = "") -> None:
        """Count an answered purchase.

        `outcome`: reserved, replayed, error, or a problem's slug.
        `seconds`: from the request's head to its answer.
        `trace_id`: the trace of a sampled purchase, which becomes the exemplar of its count and its bucket; '' if not
        sampled.
        """
        count = self._counts.get(outcome)
        if count is None:
            count = self._counts[outcome] = self._purchases.labels(outcome).inc
        exemplar = {"trace_id": trace_id} if trace_id else None
        count(1, exemplar)
        self._seconds.observe(seconds, exemplar)

    def exposition(
        self, sales: Sequence[SaleFigures], *, sales_complete: bool, encode: Encode = generate_latest
    ) -> bytes:
        """Return the metrics as text, with gauges of `sales`.

        `sales_complete`: whether `sales` are all active sales.
        `encode`: the text format of Prometheus, or that of OpenMetrics, which has exemplars if the values are this
        process's own.
        """
        counted = self._registry
        if self._shared:
            counted = CollectorRegistry()
            MultiProcessCollector(counted)
        scraped = CollectorRegistry()
        scraped.register(counted)
        scraped.register(_Readings(sales, complete=sales_complete))
        return encode(scraped)


class _Readings(Collector):
    """Gauges that are read at the scrape and belong to no process."""

    def __init__(self, sales: Sequence[SaleFigures], *, complete: bool) -> None:
        self._sales = sales
        self._complete = complete

    def collect(self) -> Iterable[Metric]:
        build = GaugeMetricFamily("atomictickets_build_info", "The release in use", labels=["version", "python"])
        build.add_metric([version("atomictickets"), platform.python_version()], 1)
        yield build
        yield GaugeMetricFamily(
            "atomictickets_sales_complete", "1 if every active sale is among the gauges", value=int(self._complete)
        )
        for figure, meaning in GAUGES.items():
            gauge = GaugeMetricFamily(f"atomictickets_sale_{figure}", meaning, labels=["sale"])
            for sale in self._sales:
                value = getattr(sale, figure)
                if value is not None:
                    gauge.add_metric([sale.name], value)
            yield gauge
