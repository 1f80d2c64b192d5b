"""If the collector is dead or never answers, spans are lost and nothing else."""

import gc
import json
import socket
import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from structlog.testing import capture_logs

from app.lab.stack.servers.ports import LOOPBACK, free_port
from app.telemetry.exporting import QuietExporter
from app.telemetry.provider import provider_of
from tests.fixtures.platform import MakePlatform
from tests.support.until import until

LOST = "spans are lost; nothing else is"


@pytest.fixture(params=["dead", "silent"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Yield a port without a listener, or one on which the kernel accepts connections that are never read."""
    if request.param == "dead":
        yield free_port()
        return
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield listener.getsockname()[1]


async def test_a_blast_goes_on_and_the_outage_is_logged_once(make_platform: MakePlatform, port: int) -> None:
    away = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{LOOPBACK}:{port}",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BSP_MAX_QUEUE_SIZE": "512",
    }
    platform = await make_platform(environment=away)
    sale = await platform.create_sale(stock=300)
    result = await platform.blast(sale, 600)
    assert result.outcomes == {"accepted": 300, "sold-out": 300}
    await platform.settled(sale)

    async def warned() -> bool:
        return LOST in platform.log("api-1") and LOST in platform.log("worker-1")

    await until(warned)
    platform.stop(*platform.names)  # it asserts that none had to be killed
    for name in ("api-1", "worker-1"):
        lines = [json.loads(line) for line in platform.log(name).splitlines() if line.startswith("{")]
        about = [line["event"] for line in lines if "span" in line["event"] or "export" in line["event"]]
        assert about == [LOST]
        assert "Traceback" not in platform.log(name)


class Silent(SpanExporter):
    """An exporter that takes a batch and does not return until it is released."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  the base class's signature
        self.released.wait()
        return SpanExportResult.FAILURE


def test_what_waits_for_a_silent_collector_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "100")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "50")
    monkeypatch.delenv("OTEL_TRACES_SAMPLER", raising=False)
    exporter = Silent()
    provider = provider_of("shop", exporter)
    tracer = provider.get_tracer("test")
    with capture_logs():
        for _ in range(5_000):
            tracer.start_span("one of many").end()
    kept = sum(1 for found in gc.get_objects() if issubclass(type(found), ReadableSpan) and found.name == "one of many")
    exporter.released.set()
    provider.shutdown()
    assert 100 <= kept <= 100 + 2 * 50


class Changing(SpanExporter):
    """An exporter that returns the given results, one after another."""

    def __init__(self, *results: SpanExportResult) -> None:
        self._results = list(results)

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:  # noqa: ARG002  the base class's signature
        return self._results.pop(0)


def test_an_outage_is_logged_at_its_beginning_and_its_end() -> None:
    failure, success = SpanExportResult.FAILURE, SpanExportResult.SUCCESS
    exporter = QuietExporter(Changing(success, failure, failure, failure, success, success))
    with capture_logs() as lines:
        for _ in range(6):
            exporter.export([])
    assert [line["event"] for line in lines] == [LOST, "the collector takes spans again"]
