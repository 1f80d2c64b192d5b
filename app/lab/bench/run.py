"""A run: every arm once in each round, round after round, so that what changes on the machine meets all arms alike."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from app.errors import AtomicTicketsError
from app.lab.bench.rig import Group, Rig
from app.lab.bench.sample import Sample, Samples
from app.lab.bench.stage import Stage


class ArmNeedsAnother(AtomicTicketsError):
    status, slug, title = 422, "arm-needs-another", "Arm Needs Another"


@dataclass(slots=True)
class Bench:
    """What an arm is given."""

    rig: Rig
    stage: Stage
    seconds: float
    round: int = 0
    samples: Samples = field(default_factory=Samples)

    def rate(self, arm: str) -> float:
        """Per second, of an arm that had its turn in this round. Raises ArmNeedsAnother."""
        for sample in self.samples.of(arm):
            if sample.round == self.round:
                return sample.per_second
        raise ArmNeedsAnother(f"Its rate is taken from {arm}, which must be run as well.")


@dataclass(frozen=True, slots=True)
class Arm:
    """`what` is told in the table. `groups`: those it needs beside the one API process that is always there.

    `warms`: a short run of it before the first round makes a group of processes do everything once.
    """

    name: str
    what: str
    measure: Callable[[Bench], Awaitable[Sample]]
    groups: tuple[Group, ...] = ()
    warms: bool = False
    most_rounds: int | None = None


WARMING_SECONDS = 0.5


async def warm_up(bench: Bench, arms: Sequence[Arm]) -> None:
    """Nothing of it is kept."""
    once = Bench(bench.rig, bench.stage, WARMING_SECONDS)
    for arm in arms:
        if arm.warms:
            await arm.measure(once)


async def measure(bench: Bench, arms: Sequence[Arm], rounds: int, say: Callable[[str], None]) -> None:
    """Fills `bench.samples`."""
    for round_ in range(1, rounds + 1):
        bench.round = round_
        for arm in arms:
            if arm.most_rounds is None or round_ <= arm.most_rounds:
                sample = await arm.measure(bench)
                bench.samples.add(sample)
                say(f"round {round_} of {rounds}: {arm.name} {sample.per_second:,.0f}/s")
