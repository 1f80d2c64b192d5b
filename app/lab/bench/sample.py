"""The samples of a run, and the rules by which a sample counts or does not count."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.blasts.load.result import Latency

FLOOR, DOUBLED = "floor", "floor-doubled"
BUSY_CORES = 0.9  # an API process that used less of a core was not the limit of the rate
RISE_OF_THE_FLOOR = 1.05  # rounds differ by some per cent; a generator at its limit makes a much larger difference
FOREIGN_CORES = 0.1
EASY_SHARE = 0.8  # below this share of the floor of the same round, the generator was not the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The measurement of one arm in one round.

    `per_second`: the rate of the things that the arm counts: answers, acceptances or bookings
    `cores`: for each API process, the share of a core that it used; empty if the API is not the limit of the rate
    `foreign`: cores that other programs used meanwhile
    `figures`: all other measured values by name, with the unit in the name
    `doubts`: reasons why the sample does not count, such as unexpected answers
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
        """Return the names of the arms in the order of their first samples."""
        return list(dict.fromkeys(sample.arm for sample in self._samples))

    def of(self, arm: str) -> list[Sample]:
        return [sample for sample in self._samples if sample.arm == arm]

    def counted(self, arm: str) -> list[Sample]:
        """Return the samples of an arm that count."""
        return [sample for sample in self.of(arm) if not self.exclusion_reasons(sample)]

    def exclusion_reasons(self, sample: Sample) -> list[str]:
        """Return the reasons why the sample does not count, or an empty list if it does."""
        reasons = list(sample.doubts)
        if sample.foreign > FOREIGN_CORES:
            reasons.append(f"other programs used {sample.foreign:.2f} cores")
        if sample.cores:
            reasons += idle_processes(sample.cores) + self._generator_at_its_limit(sample)
        return reasons

    def _generator_at_its_limit(self, sample: Sample) -> list[str]:
        round_ = sample.round
        floor, doubled = rates(self.of(FLOOR)), rates(self.of(DOUBLED))
        if not floor.get(round_) or not doubled.get(round_):
            return ["no doubled generator in this round"]
        if sample.per_second <= EASY_SHARE * floor[round_]:
            return []
        rise = doubled[round_] / floor[round_]
        return [f"a doubled generator raised the floor {rise:.2f} times"] if rise > RISE_OF_THE_FLOOR else []


def idle_processes(cores: Sequence[float]) -> list[str]:
    least = min(cores)
    return [f"an API process used {least:.2f} of a core"] if least < BUSY_CORES else []


def rates(samples: Iterable[Sample]) -> dict[int, float]:
    """Return the rate of each sample by its round."""
    return {sample.round: sample.per_second for sample in samples}


def figure(samples: Iterable[Sample], name: str) -> list[float]:
    """Return the values of one figure, from the samples that have it."""
    return [sample.figures[name] for sample in samples if name in sample.figures]
