"""The plain race, without a scenario: the strategies take turns at the same crowd, for a number of runs each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from app.lab.race.failures import FAILURES, raise_cancellation, reason
from app.lab.race.figures import Entry, inexact
from app.lab.race.history import History
from app.lab.race.progress import Progress
from app.lab.race.run import Run, race, warm_up
from app.lab.race.target import Target
from app.lab.race.workload import Contestant, Workload
from app.strategies.dependencies import RegisteredStrategy
from app.strategies.registry import summary_of


@dataclass
class Race:
    """The outcome of a race. `history` holds the events of all runs, or nothing if they were not kept."""

    entries: list[Entry] = field(default_factory=list)
    history: History = field(default_factory=History)

    @property
    def has_ended_runs(self) -> bool:
        """Return whether there is anything to report."""
        return any(entry.has_result for entry in self.entries)

    @property
    def holds(self) -> bool:
        """Return whether every strategy was raced, and every one that promises to be exact was exact."""
        return all(entry.kept_its_promise for entry in self.entries)


async def race_all(
    target: Target,
    strategies: Sequence[type[RegisteredStrategy]],
    workload: Workload,
    *,
    repeat: int,
    say: Callable[[str], None],
    keep_history: bool = True,
    outcome: Race | None = None,
) -> Race:
    """Race the strategies `repeat` times each, report each run with `say`, and return the outcome.

    It is written to `outcome` after each run, so that a caller who is interrupted has what has ended until then.

    The strategies take turns, so that a machine that slows down slows all of them. A strategy that fails is reported
    and not raced again. A history takes a megabyte or two for each 1,000 buyers, so pass `keep_history=False` if it is
    not needed.
    """
    entries = {strategy: entry_of(strategy) for strategy in strategies}
    outcome = Race() if outcome is None else outcome
    outcome.entries[:] = entries.values()
    progress = Progress(repeat * len(entries), say)
    for turn in range(1, repeat + 1):
        for strategy, entry in entries.items():
            if entry.failure is not None:
                continue
            contestant = Contestant(strategy)
            try:
                if turn == 1:
                    await warm_up(target, contestant)
                run = await race(target, contestant, workload)
            except FAILURES as error:
                raise_cancellation(error)
                entry.failure = reason(error)
                progress.skip(repeat - turn)
                progress.ended(f"{strategy.name}: {entry.failure}")
                continue
            entry.add(run.figures, run.verdict.findings if run.verdict else None)
            if run.history is not None and keep_history:
                outcome.history.merge(run.history)
            progress.ended(
                f"{strategy.name}: {run.figures.sold} sold of {workload.stock},"
                f" {run.figures.answered_per_second:,.0f} answers/s; {found_in(run)}"
            )
    return outcome


def found_in(run: Run) -> str:
    """Return the anomalies of one run as text. Without a history they are known from the figures alone."""
    if run.verdict is None:
        return ", ".join(inexact([run.figures])) or "not checked"
    return ", ".join(finding.anomaly for finding in run.verdict.findings) or "nothing found"


def entry_of(strategy: type[RegisteredStrategy]) -> Entry:
    """Return the entry of a strategy that has not been raced yet."""
    return Entry(
        strategy.name,
        strategy.promises_exactness,
        strategy.keeps_limit,
        str(strategy.accepted_in),
        summary=summary_of(strategy),
    )
