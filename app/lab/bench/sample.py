"""What one arm came to in one round, and whether it may be believed."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.blasts.load.result import Latency

FLOOR, DOUBLED = "floor", "floor-doubled"
BUSY_CORES = 0.9  # an API process that idled more than this wasn't what limited the rate
RAISED = 1.05  # rounds differ by some per cent; a generator at its limit shows far more than that
FOREIGN_CORES = 0.1
EASY = 0.8  # of what one generator sent in the same round: it was not the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One arm in one round.

    per_second  what the arm counts: answers, acceptances, bookings
    cores       of each API process: the share of a core it used. Empty where the rate isn't the API's to limit
    foreign     cores used meanwhile by processes that are none of ours
    figures     everything else that was measured, by name, with the unit in the name
    doubts      why this is no measurement at all: errors, answers of another kind than the arm's
    """

    arm: str
    round: int
    per_second: float
    cores: tuple[float, ...] = ()
    foreign: float = 0.0
    latency: Latency | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    doubts: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            **dataclasses.asdict(self),
            "latency": None,
            "latency_ms": self.latency.as_milliseconds() if self.latency else None,
        }


class Samples:
    """All samples of a run."""

    def __init__(self, samples: Iterable[Sample] = ()) -> None:
        self._samples = list(samples)

    def add(self, sample: Sample) -> None:
        self._samples.append(sample)

    @property
    def arms(self) -> list[str]:
        """In the order of their first sample."""
        return list(dict.fromkeys(sample.arm for sample in self._samples))

    def of(self, arm: str) -> list[Sample]:
        return [sample for sample in self._samples if sample.arm == arm]

    def counted(self, arm: str) -> list[Sample]:
        return [sample for sample in self.of(arm) if not self.why_not(sample)]

    def why_not(self, sample: Sample) -> list[str]:
        """Why the sample doesn't count; empty where it does."""
        reasons = list(sample.doubts)
        if sample.foreign > FOREIGN_CORES:
            reasons.append(f"other programs used {sample.foreign:.2f} cores")
        if sample.cores:
            reasons += idle(sample.cores) + self._generator_at_its_limit(sample)
        return reasons

    def _generator_at_its_limit(self, sample: Sample) -> list[str]:
        round_ = sample.round
        once, twice = ({each.round: each.per_second for each in self.of(arm)} for arm in (FLOOR, DOUBLED))
        if not once.get(round_) or not twice.get(round_):
            return ["no doubled generator in this round"]
        if sample.per_second <= EASY * once[round_]:
            return []
        rise = twice[round_] / once[round_]
        return [f"a doubled generator raised the floor {rise:.2f} times"] if rise > RAISED else []


def idle(cores: Sequence[float]) -> list[str]:
    return [f"an API process used {used:.2f} of a core" for used in (min(cores),) if used < BUSY_CORES]


def rates(samples: Iterable[Sample]) -> dict[int, float]:
    """Per second, by round."""
    return {sample.round: sample.per_second for sample in samples}


def figure(samples: Iterable[Sample], name: str) -> list[float]:
    """The values of one figure, of those samples that have it."""
    return [sample.figures[name] for sample in samples if name in sample.figures]
