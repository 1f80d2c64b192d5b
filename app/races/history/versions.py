"""The rule of versions: no two attempts read the same version of the same thing and both wrote.

Versions are the only order between the attempts of several pods, whose clocks differ.
"""

from typing import Any, NamedTuple

from app.races.history.events import Event, InvalidHistory, count_of, text_of
from app.races.history.findings import Anomaly, Findings

KINDS = {
    Anomaly.LOST_UPDATE: "both wrote an absolute value, so one of the two is lost",
    Anomaly.STALE_GUARD: "one value that was read let both pass",
    Anomaly.WRITE_SKEW: "neither saw what the other took",
    Anomaly.EXPIRED_LOCK: "both believed that they held the lock",
}


class Window(NamedTuple):
    """One attempt that wrote. One is kept for each version that was read."""

    line: int
    pod: str
    read_at: float
    wrote_at: float
    value: Any
    written: Any
    trace_id: str | None

    def describe(self) -> str:
        """Return the attempt as a line of evidence."""
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return (
            f"line {self.line}: {self.pod} read {self.value} at {self.read_at:.6f}"
            f" and wrote {self.written} at {self.wrote_at:.6f}{trace}"
        )


class Versions:
    """Receives the attempts, and reports each later writer of a version together with the first one."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._writers: dict[tuple[str, int, str, str], Window] = {}

    def attempted(self, event: Event) -> None:
        """Check one attempt, and ignore it if it committed nothing. Raise InvalidHistory if it cannot be read."""
        value = event.value
        try:
            anomaly = Anomaly(text_of(event, "hazard"))
        except ValueError as error:
            raise InvalidHistory(f"Line {event.line}: {error}.") from error
        if value.get("wrote_at") is None:
            return
        sale, version = text_of(event, "sale"), text_of(event, "version_read")
        guards = str(value.get("guards", "stock"))
        window = window_of(event)
        first = self._writers.setdefault((sale, count_of(event, "round", 1), guards, version), window)
        if first is not window:
            self._findings.add(
                anomaly,
                f"{sale}: two purchases read version {version} of {guards}, and {KINDS.get(anomaly, 'both wrote')}.",
                [first.describe(), window.describe()],
                weight=2 + abs(first.read_at - window.read_at),  # the pair with the closest reads is the clearest
            )


def window_of(event: Event) -> Window:
    value = event.value
    try:
        return Window(
            event.line,
            str(value.get("pod") or event.process),
            float(value.get("read_at", event.time)),
            float(value["wrote_at"]),
            value.get("value_read"),
            value.get("value_written"),
            event.trace_id,
        )
    except (TypeError, ValueError) as error:
        raise InvalidHistory(f"Line {event.line}: read_at and wrote_at must be numbers of seconds.") from error
