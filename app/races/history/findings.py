"""The anomalies that a history can have, and the smallest witness of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Anomaly(StrEnum):
    """The anomalies, in the order in which they are reported: first those that cost a ticket."""

    OVERSOLD = "oversold"  # more tickets are booked than the stock has
    OVER_ACCEPTED = "over-accepted"  # more tickets were promised than the stock has
    LOST_ORDER = "lost-order"  # a purchase was accepted, and the ledger has no booking
    REJECTED_ORDER = "rejected-order"  # a purchase was accepted, and the ledger refused it
    BOOKED_TWICE = "booked-twice"  # one purchase has two bookings
    BOOKED_THOUGH_REFUSED = "booked-though-refused"  # a purchase was refused, and is booked
    BOOKED_UNASKED = "booked-unasked"  # a booking that no purchase asked for, or of another quantity
    CANCELLED_UNASKED = "cancelled-unasked"  # a booking is cancelled, and nobody released it
    REPLAY_DIFFERS = "replay-differs"  # the same key was answered in two ways
    FALSE_REPLAY = "false-replay"  # an answer is marked as a replay without an earlier one, or not marked despite one
    LIMIT_EXCEEDED = "limit-exceeded"  # a customer holds more tickets than the limit
    FALSE_SOLD_OUT = "false-sold-out"  # a purchase was refused as sold out, and later ones got as many tickets
    UNDERSOLD = "undersold"  # purchases were refused as sold out, and tickets were never sold
    LEAKED = "leaked"  # tickets are neither sold nor left
    OVER_ADMITTED = "over-admitted"  # tickets are sold and still counted as left
    LOST_UPDATE = "lost-update"
    STALE_GUARD = "stale-guard"
    WRITE_SKEW = "write-skew"
    EXPIRED_LOCK = "expired-lock"


@dataclass(slots=True)
class Finding:
    """An anomaly that was found.

    `count`: how often, or how many tickets.
    `sentence`, `evidence`: the description of the smallest witness, and the lines to read beneath it.
    """

    anomaly: Anomaly
    count: int
    sentence: str
    evidence: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return {
            "anomaly": str(self.anomaly),
            "count": self.count,
            "sentence": self.sentence,
            "evidence": list(self.evidence),
        }


@dataclass
class Findings:
    """The findings of a check.

    All are counted, and for each anomaly the witness of the least weight is kept, so that memory does not grow with the
    damage.
    """

    _kept: dict[Anomaly, Finding] = field(default_factory=dict)
    _weights: dict[Anomaly, float] = field(default_factory=dict)

    def add(
        self,
        anomaly: Anomaly,
        sentence: str,
        evidence: Sequence[str] = (),
        *,
        weight: float | None = None,
        count: int = 1,
    ) -> None:
        """Count an anomaly, and keep its witness if it is the lightest so far.

        `weight`: how much there is to read and to check; by default the number of lines of evidence.
        """
        weight = float(len(evidence)) if weight is None else weight
        finding = self._kept.get(anomaly)
        if finding is None:
            self._kept[anomaly] = Finding(anomaly, count, sentence, evidence)
            self._weights[anomaly] = weight
            return
        finding.count += count
        if weight < self._weights[anomaly]:
            finding.sentence, finding.evidence = sentence, evidence
            self._weights[anomaly] = weight

    def lightest(self, anomaly: Anomaly) -> float:
        """Return the weight of the kept witness; infinity if there is none yet."""
        return self._weights.get(anomaly, float("inf"))

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self._kept.values(), key=lambda finding: list(Anomaly).index(finding.anomaly)))
