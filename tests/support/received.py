"""Spans as an outside observer sees them: a collector, or a client of Jaeger."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedSpan:
    """A span as it arrived.

    Ids are hexadecimal digits. `parent_id` is '' for a root. Each link is a pair of trace id and span id.
    """

    name: str
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    kind: str
    attributes: Mapping[str, Any]
    links: frozenset[tuple[str, str]]
    is_error: bool
    resource: Mapping[str, Any]

    @property
    def ids(self) -> tuple[str, str]:
        return self.trace_id, self.span_id


@dataclass
class Spans:
    """The spans received so far, and queries over them."""

    spans: list[ReceivedSpan] = field(default_factory=list)

    def named(self, name: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.name == name]

    def children(self, parent: tuple[str, str], name: str) -> list[ReceivedSpan]:
        """Return the spans of that name below `parent`, which is a trace id and a span id."""
        return [span for span in self.named(name) if (span.trace_id, span.parent_id) == parent]

    def orphans(self) -> list[ReceivedSpan]:
        """Return the spans whose parent has not arrived."""
        known = {span.ids for span in self.spans}
        return [span for span in self.spans if span.parent_id and (span.trace_id, span.parent_id) not in known]

    def errors(self) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.is_error]
