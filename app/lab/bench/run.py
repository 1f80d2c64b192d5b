"""A run of the benchmark. Each round measures every arm once, so a change on the machine affects all arms alike."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from app.errors import AtomicTicketsError
from app.lab.bench.rig import Group, Rig
from app.lab.bench.sample import Sample, Samples
from app.lab.bench.stage import Stage


class ArmNeedsAnother(AtomicTicketsError):
    """An arm needs the rate of another arm, which was not measured in this round."""

    status, slug, title = 422, "arm-needs-another", "Arm Needs Another"


@dataclass(slots=True)
class Bench:
    """The context in which an arm measures. `seconds`: duration of a load; `round`: number of the present round."""

    rig: Rig
    stage: Stage
    seconds: float
    round: int = 0
    samples: Samples = field(default_factory=Samples)

    def rate(self, arm: str) -> float:
        """Return the rate of an arm that was measured in this round. Raise ArmNeedsAnother if it was not."""
        for sample in self.samples.of(arm):
            if sample.round == self.round:
                return sample.per_second
        raise ArmNeedsAnother(f"One of the arms needs the rate of the arm {arm}. Add it to --arms.")


@dataclass(frozen=True, slots=True)
class Arm:
    """One measured configuration.

    `description`: the counted thing, for the table
    `groups`: groups of processes that it needs besides the API process that every run has
    `warms`: whether a short run of it before the first round warms up a group
    `most_rounds`: number of rounds after which it has no more turns; None for no limit
    """

    name: str
    description: str
    measure: Callable[[Bench], Awaitable[Sample]]
    groups: tuple[Group, ...] = ()
    warms: bool = False
    most_rounds: int | None = None


WARMING_SECONDS = 0.5


async def warm_up(bench: Bench, arms: Sequence[Arm]) -> None:
    """Run the arms that warm up a group, and discard their samples."""
    once = Bench(bench.rig, bench.stage, WARMING_SECONDS)
    for arm in arms:
        if arm.warms:
            await arm.measure(once)


async def measure(bench: Bench, arms: Sequence[Arm], rounds: int, say: Callable[[str], None]) -> None:
    """Measure all arms in each round, and add the samples to `bench.samples`."""
    for round_ in range(1, rounds + 1):
        bench.round = round_
        for arm in arms:
            if arm.most_rounds is None or round_ <= arm.most_rounds:
                sample = await arm.measure(bench)
                bench.samples.add(sample)
                say(f"round {round_} of {rounds}: {arm.name} {sample.per_second:,.0f}/s")
