"""What can be wrong with a history, and the smallest witness of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Anomaly(StrEnum):
    """In the order in which they are told: first what costs a ticket."""

    OVERSOLD = "oversold"  # more tickets are booked than there are
    OVER_ACCEPTED = "over-accepted"  # more buyers were told yes than there are tickets
    LOST_ORDER = "lost-order"  # told yes, and the ledger has no booking
    REJECTED_ORDER = "rejected-order"  # told yes, and the ledger refused it
    BOOKED_TWICE = "booked-twice"  # one purchase, two bookings
    BOOKED_THOUGH_REFUSED = "booked-though-refused"  # told no, and booked
    BOOKED_UNASKED = "booked-unasked"  # a booking that nobody asked for, or of another quantity
    CANCELLED_UNASKED = "cancelled-unasked"  # a booking that was given back, and nobody gave it back
    REPLAY_DIFFERS = "replay-differs"  # the same key was told two things
    FALSE_REPLAY = "false-replay"  # told a repetition where nothing came before, or none where something did
    LIMIT_EXCEEDED = "limit-exceeded"  # a customer holds more than one may
    FALSE_SOLD_OUT = "false-sold-out"  # told sold out, and someone who asked later got a ticket
    UNDERSOLD = "undersold"  # told sold out, and tickets were never sold
    LEAKED = "leaked"  # neither sold nor to be had
    OVER_ADMITTED = "over-admitted"  # sold, and still to be had
    LOST_UPDATE = "lost-update"
    STALE_GUARD = "stale-guard"
    WRITE_SKEW = "write-skew"
    EXPIRED_LOCK = "expired-lock"


@dataclass(slots=True)
class Finding:
    """`count`: how often. `sentence` and `evidence` (lines to read beneath it) are of the smallest witness."""

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
    """Counts all, keeps for each kind the witness with the least weight, so that memory does not grow with damage."""

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
        """`weight`: how much there is to read and to believe; by default the number of lines."""
        heavy = float(len(evidence)) if weight is None else weight
        found = self._kept.get(anomaly)
        if found is None:
            self._kept[anomaly] = Finding(anomaly, count, sentence, evidence)
            self._weights[anomaly] = heavy
            return
        found.count += count
        if heavy < self._weights[anomaly]:
            found.sentence, found.evidence = sentence, evidence
            self._weights[anomaly] = heavy

    def lightest(self, anomaly: Anomaly) -> float:
        """The weight to beat; infinite where there is nothing yet."""
        return self._weights.get(anomaly, float("inf"))

    def __iter__(self) -> Iterator[Finding]:
        return iter(sorted(self._kept.values(), key=lambda found: list(Anomaly).index(found.anomaly)))
