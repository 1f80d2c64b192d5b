"""Attempts that read the same version of the same thing and both wrote: between pods, versions are the only order."""

from typing import Any, NamedTuple

from app.races.history.events import Event, InvalidHistory, count_of, text_of
from app.races.history.findings import Anomaly, Findings

KINDS = {
    Anomaly.LOST_UPDATE: "both wrote an absolute value: one of the two is gone",
    Anomaly.STALE_GUARD: "one value let both pass",
    Anomaly.WRITE_SKEW: "neither saw what the other took",
    Anomaly.EXPIRED_LOCK: "both believed that they held the lock",
}


class Window(NamedTuple):
    """One attempt that wrote. Kept for each version that was read."""

    line: int
    where: str
    read_at: float
    wrote_at: float
    value: Any
    written: Any
    trace_id: str | None

    def told(self) -> str:
        trace = f" (trace {self.trace_id})" if self.trace_id else ""
        return (
            f"line {self.line}: {self.where} read {self.value} at {self.read_at:.6f}"
            f" and wrote {self.written} at {self.wrote_at:.6f}{trace}"
        )


class Versions:
    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._writers: dict[tuple[str, int, str, str], Window] = {}

    def attempted(self, event: Event) -> None:
        """Raises InvalidHistory. An attempt that committed nothing harmed nobody."""
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
                [first.told(), window.told()],
                weight=2 + abs(first.read_at - window.read_at),  # the closest two are the plainest
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
