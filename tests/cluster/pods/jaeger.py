"""The release's Jaeger, queried by the HTTP API that its own page uses."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.cluster.kubectl import Kubectl
from tests.support.received import ReceivedSpan, Spans
from tests.support.until import block_until

MAX_TRACES = 1000
WAIT_SECONDS = 30  # a process sends every 5 s


@dataclass(frozen=True, slots=True)
class Jaeger:
    """A Jaeger in the cluster. `service` is the name of its Kubernetes Service."""

    kubectl: Kubectl
    service: str

    def search(self, service: str, operation: str, tags: Mapping[str, str]) -> Spans:
        """Return all spans of the traces that have such a span."""
        return self._traces(service=service, operation=operation, tags=json.dumps(tags), limit=MAX_TRACES)

    def traces(self, ids: Iterable[str]) -> Spans:
        return self._traces(traceID=sorted(set(ids)))

    def _traces(self, **query: Any) -> Spans:
        traces = self._get(f"traces?{urlencode(query, doseq=True)}")
        return Spans([received(span, trace["processes"]) for trace in traces for span in trace["spans"]])

    def _get(self, query: str) -> Any:
        # Through the API server's proxy, which reaches Services on any kind of cluster.
        address = f"/api/v1/namespaces/{self.kubectl.namespace}/services/{self.service}:16686/proxy/api/{query}"
        return json.loads(self.kubectl("get", "--raw", address))["data"]


def when(read: Callable[[], Spans], complete: Callable[[Spans], bool]) -> Spans:
    """Return the spans once they are complete, as each process sends its spans in its own time.

    Fail with the last ones seen if they do not become complete.
    """
    seen = Spans()

    def arrived() -> bool:
        seen.spans = read().spans
        return complete(seen) and not seen.orphans()

    try:
        block_until(arrived, seconds=WAIT_SECONDS)
    except TimeoutError as failed:
        found = Counter(span.name for span in seen.spans)
        raise AssertionError(f"{failed}: {dict(found)}, without a parent {seen.orphans()}") from failed
    return seen


def received(span: dict[str, Any], processes: dict[str, Any]) -> ReceivedSpan:
    process, tags = processes[span["processID"]], plain(span["tags"])
    parents, links = (references(span, kind) for kind in ("CHILD_OF", "FOLLOWS_FROM"))
    return ReceivedSpan(
        name=span["operationName"],
        service=process["serviceName"],
        trace_id=span["traceID"],
        span_id=span["spanID"],
        parent_id=parents[0][1] if parents else "",
        kind=str(tags["span.kind"]).upper(),
        attributes=tags,
        links=frozenset(links),
        is_error=bool(tags.get("error", False)),
        resource=plain(process["tags"]),
    )


def references(span: dict[str, Any], kind: str) -> list[tuple[str, str]]:
    return [(each["traceID"], each["spanID"]) for each in span["references"] if each["refType"] == kind]


def plain(tags: list[dict[str, Any]]) -> dict[str, Any]:
    return {tag["key"]: tag["value"] for tag in tags}
