"""The thresholds for the speed and the memory of the service. docs/benchmarks.md explains them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from app.lab.bench.interval import paired
from app.lab.bench.judging import Finding, Judgement, at_least, at_most, never_above, passed, too_few
from app.lab.bench.sample import FLOOR, Samples, figure, rates

SOAK_ORDERS = 100_000
MEGABYTES = 150.0
# A window cannot persist more than it accepts. A batch that is in progress at its end hides at most 2 %.
KEEPS_UP = 0.98
SAME_COST = 1.25  # one stock is a million times the other, so a cost that grows with it would be far above this


@dataclass(frozen=True, slots=True)
class Judged:
    """A threshold with its judgement.

    NOT MEASURED means that fewer than two rounds counted, or that the arm was left out. It is not a PASS.
    """

    threshold: str
    judgement: Judgement
    found: str

    def as_json(self) -> dict[str, Any]:
        return {"threshold": self.threshold, "judgement": self.judgement, "found": self.found}


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold. It is judged only if all arms in `needs` were chosen."""

    sentence: str
    needs: tuple[str, ...]
    judge: Callable[[Samples], Finding]

    def judged(self, samples: Samples) -> Judged:
        return Judged(self.sentence, *self.judge(samples))


def ratio(above: str, below: str, least: float) -> Callable[[Samples], Finding]:
    """Compare the rates of two arms over the rounds in which both count.

    If these are too few, the text also has the ratio over all rounds.
    """

    def judge(samples: Samples) -> Finding:
        judgement, why = at_least(paired(rates(samples.counted(above)), rates(samples.counted(below))), least)
        if judgement == "NOT MEASURED":
            why += (
                "; over all rounds: " + at_least(paired(rates(samples.of(above)), rates(samples.of(below))), least)[1]
            )
        return judgement, why

    return judge


def telemetry(arm: str, most: float) -> Callable[[Samples], Finding]:
    return lambda samples: at_most(figure(samples.counted(arm), "times_the_stub"), most)


def keeps_up(arm: str) -> Callable[[Samples], Finding]:
    return lambda samples: at_least(figure(samples.counted(arm), "persisted_share"), KEEPS_UP)


def seconds_until_booked(samples: Samples) -> Finding:
    measured = [sample for arm in ("soak", "steady", "steady-2") for sample in samples.of(arm)]
    return never_above(figure(measured, "seconds_to_booked"), 10.0, "s")


def all_booked(samples: Samples) -> Finding:
    """Return PASS only if every order of the soak was accepted and booked, and the identity is exact."""
    found = samples.of("soak")
    if not found:
        return too_few([])
    exact = all(
        each.figures["accepted"] == each.figures["booked"] == SOAK_ORDERS and each.figures["drift"] == 0
        for each in found
    )
    return passed(exact), "; ".join(
        f"{each.figures['accepted']:,.0f} accepted, {each.figures['booked']:,.0f} booked, drift "
        f"{each.figures['drift']:.0f}"
        for each in found
    )


def memory(process: str) -> Callable[[Samples], Finding]:
    """Compare the peak of each process by itself. In a sum, pages that parent and child share would count twice."""
    return lambda samples: never_above(figure(samples.of("soak"), f"rss_{process}_mb"), MEGABYTES, "MB")


def tail(samples: Samples) -> Finding:
    return at_most([each.latency.p99 / each.latency.p50 for each in samples.counted("buyers-100") if each.latency], 3.0)


def seeding(samples: Samples) -> Finding:
    return at_most(figure(samples.counted("seeding"), "times"), SAME_COST)


THRESHOLDS = (
    Threshold("purchases at least 0.9 of the floor", ("purchases", FLOOR), ratio("purchases", FLOOR, 0.9)),
    Threshold(
        "purchases at least 0.6 of the constant gate",
        ("purchases", "constant-gate"),
        ratio("purchases", "constant-gate", 0.6),
    ),
    Threshold(
        "CPU time of a purchase, nothing traced, at most 1.01 of the stub",
        ("telemetry-off",),
        telemetry("telemetry-off", 1.01),
    ),
    Threshold(
        "CPU time of a purchase, 1 % traced, at most 1.05 of the stub",
        ("telemetry-1",),
        telemetry("telemetry-1", 1.05),
    ),
    Threshold(
        "purchases with a killed collector at least 0.95 of those with a collector",
        ("collector-killed", "collector"),
        ratio("collector-killed", "collector", 0.95),
    ),
    Threshold(
        "purchases with a silent collector at least 0.95 of those with a collector",
        ("collector-silent", "collector"),
        ratio("collector-silent", "collector", 0.95),
    ),
    Threshold("sold-out answers at least 1.0 of the floor", ("sold-out", FLOOR), ratio("sold-out", FLOOR, 1.0)),
    Threshold(f"1 API, 1 worker process: persisted at least {KEEPS_UP} of accepted", ("steady",), keeps_up("steady")),
    Threshold(
        f"2 API, 2 worker processes: persisted at least {KEEPS_UP} of accepted", ("steady-2",), keeps_up("steady-2")
    ),
    Threshold("no backlog 10 s after the last acceptance", ("steady",), seconds_until_booked),
    Threshold(f"{SOAK_ORDERS:,} orders, as many bookings, identity exact", ("soak",), all_booked),
    Threshold(f"memory of the API process below {MEGABYTES:.0f} MB", ("soak",), memory("api")),
    Threshold(f"memory of the worker's child below {MEGABYTES:.0f} MB", ("soak",), memory("worker_child")),
    Threshold(f"memory of the worker's parent below {MEGABYTES:.0f} MB", ("soak",), memory("worker_parent")),
    Threshold("p99 at most 3 times p50 with 100 concurrent buyers", ("buyers-100",), tail),
    Threshold(f"seeding 10,000,000 tickets takes at most {SAME_COST} of the time of 10", ("seeding",), seeding),
)
