"""The report of a benchmark, as text and as JSON."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from textwrap import wrap
from typing import Any

from app.lab.bench.interval import interval_of, paired
from app.lab.bench.sample import FLOOR, Sample, Samples, rates
from app.lab.bench.thresholds import Judged
from app.lab.text_table import aligned

WIDTH = 128
RATES = ("arm", "counted in each second", "median", "least", "most", "to the floor [95 %]", "rounds")
COSTS = ("arm", "p50 ms", "p95 ms", "p99 ms", "max ms", "API CPU us/answer", "stock server CPU us/answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchReport:
    """The report of one run.

    `started_at`: ISO 8601, in UTC
    `seconds`: duration of the load in each turn
    `arms`: for each arm, a description of the counted thing
    `facts`: machine, versions, commit and disks
    """

    started_at: str
    rounds: int
    seconds: float
    arms: Mapping[str, str]
    samples: Samples
    judged: Sequence[Judged]
    facts: Mapping[str, Any]
    on_a_real_disk: bool

    @property
    def holds(self) -> bool:
        """Return whether every threshold is passed.

        A report without thresholds, or with data in memory, does not hold.
        """
        return bool(self.judged) and self.on_a_real_disk and all(each.judgement == "PASS" for each in self.judged)

    def as_json(self) -> dict[str, Any]:
        return {
            "started_at": self.started_at,
            "rounds": self.rounds,
            "seconds": self.seconds,
            **self.facts,
            "on_a_real_disk": self.on_a_real_disk,
            "arms": [self._arm_json(arm) for arm in self.samples.arms],
            "thresholds": [each.as_json() for each in self.judged],
        }

    def text(self) -> str:
        parts = [
            "\n".join(aligned([RATES, *map(self._rates, self.samples.arms)], left=2)),
            "\n".join(aligned([COSTS, *self._costs()])),
            "\n".join(["Other figures, medians", *self._figures()]),
            "\n".join(["Rounds that do not count", *(list(self._uncounted()) or ["  none"])]),
            "\n".join(["Thresholds, compared with the unfavourable end of the interval",
                       *(f"  {each.judgement:<13} {each.threshold}: {each.found}" for each in self.judged)]),
            self._circumstances(),
        ]  # fmt: skip
        return "\n\n".join(parts) + "\n"

    def _rates(self, arm: str) -> list[str]:
        samples, per_second = self.samples.of(arm), [sample.per_second for sample in self.samples.of(arm)]
        figures = (f"{value:,.0f}" for value in (median(per_second), min(per_second), max(per_second)))
        counted = f"{len(self.samples.counted(arm))} of {len(samples)}"
        return [arm, self.arms[arm], *figures, self._to_the_floor(arm), counted]

    def _costs(self) -> Iterator[list[str]]:
        """Yield the medians of latencies and CPU times of each arm that has latencies."""
        for arm in self.samples.arms:
            samples = self.samples.of(arm)
            latencies = [sample.latency.as_milliseconds() for sample in samples if sample.latency]
            if latencies:
                tail = [f"{median(each[name] for each in latencies):.2f}" for name in ("p50", "p95", "p99", "max")]
                figures = medians_of(samples)
                costs = [figures.get(f"{process}_cpu_us_per_answer") for process in ("api", "stock_server")]
                yield [arm, *tail, *("-" if cost is None else f"{cost:.1f}" for cost in costs)]

    def _to_the_floor(self, arm: str) -> str:
        """Return the ratio to the floor over all rounds. Only the thresholds leave out rounds that do not count."""
        if not any(sample.cores for sample in self.samples.of(arm)):
            return "-"
        ratios = paired(rates(self.samples.of(arm)), rates(self.samples.of(FLOOR)))
        found = interval_of(ratios)
        if found is None:
            return f"{ratios[0]:.2f}" if len(ratios) == 1 else "-"
        return f"{found.middle:.2f} [{found.low:.2f}, {found.high:.2f}]"

    def _figures(self) -> Iterator[str]:
        for arm in self.samples.arms:
            medians = medians_of(self.samples.of(arm))
            text = ", ".join(f"{name} {value:,.6g}" for name, value in medians.items() if not name.endswith("_answer"))
            if text:
                yield from wrap(f"{arm}: {text}", WIDTH, initial_indent="  ", subsequent_indent="    ")

    def _uncounted(self) -> Iterator[str]:
        for arm in self.samples.arms:
            reasons = [why for each in self.samples.of(arm) if (why := self.samples.exclusion_reasons(each))]
            if reasons:
                total = len(self.samples.of(arm))
                text = f"{arm}: {len(reasons)} of {total}; reason of the last one: {'; '.join(reasons[-1])}"
                yield from wrap(text, WIDTH, initial_indent="  ", subsequent_indent="    ")

    def _circumstances(self) -> str:
        disks = [
            f"{store} on {disk['filesystem']}, fdatasync p50 {disk['fsync_p50_ms']} ms, p99 {disk['fsync_p99_ms']} ms"
            for store, disk in self.facts["disks"].items()
        ]
        lines = [
            f"Measured {self.started_at}, commit {self.facts['commit']}, {self.rounds} rounds of {self.seconds:g} s.",
            "Machine: " + ", ".join(f"{name} {value}" for name, value in self.facts["machine"].items()) + ".",
            "Versions: " + ", ".join(f"{name} {value}" for name, value in self.facts["versions"].items()) + ".",
            "Data: "
            + "; ".join(disks)
            + ("." if self.on_a_real_disk else ". The data is IN MEMORY, so no threshold holds."),
        ]
        return "\n".join(wrapped for line in lines for wrapped in wrap(line, WIDTH, break_on_hyphens=False))

    def _arm_json(self, arm: str) -> dict[str, Any]:
        samples = self.samples.of(arm)
        per_second = [sample.per_second for sample in samples]
        found = interval_of(paired(rates(samples), rates(self.samples.of(FLOOR))))
        return {
            "arm": arm,
            "what": self.arms[arm],
            "per_second": {"median": median(per_second), "min": min(per_second), "max": max(per_second)},
            "to_the_floor": found and {"low": found.low, "middle": found.middle, "high": found.high},
            "figures": medians_of(samples),
            "counted": len(self.samples.counted(arm)),
            "samples": [each.as_json() | {"why_not_counted": self.samples.exclusion_reasons(each)} for each in samples],
        }


def medians_of(samples: Sequence[Sample]) -> dict[str, float]:
    """Return the median of each figure, over the samples that have it."""
    names = dict.fromkeys(name for sample in samples for name in sample.figures)
    return {name: median(each.figures[name] for each in samples if name in each.figures) for name in names}
