"""The scenarios by name, and how one is played with several strategies."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.lab.race.failures import FAILURES, raise_cancellation, reason
from app.lab.race.progress import Progress
from app.lab.race.scenarios.crash import crash
from app.lab.race.scenarios.failover import failover
from app.lab.race.scenarios.hot_and_spread import hot_and_spread
from app.lab.race.scenarios.limit import limit
from app.lab.race.scenarios.pause import pause
from app.lab.race.scenarios.retry_storm import retry_storm
from app.lab.race.scenarios.scene import Scene
from app.lab.race.target import OwnTarget
from app.strategies.dependencies import RegisteredStrategy

Act = Callable[[OwnTarget, type[RegisteredStrategy]], Coroutine[Any, Any, list[Scene]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario.

    `expected`: what it is expected to show
    `faults`: whether it needs failpoints and shorter intervals in the processes
    """

    act: Act
    summary: str
    expected: str
    faults: bool = True


SCENARIOS: Mapping[str, Scenario] = {
    "limit": Scenario(
        limit,
        "a customer with a limit of one ticket clicks in eight tabs at once",
        "Strategies that count the customer's tickets before they write, and lock nothing, let all eight through.",
    ),
    "pause": Scenario(
        pause,
        "a purchase of the last ticket stalls, and another one arrives",
        "A lock that expires, or a number that was read and is not checked again, sells the last ticket twice.",
    ),
    "crash": Scenario(
        crash,
        "a process dies between deciding a purchase and storing its order",
        "If the decision and the order are in two stores, orders or tickets are lost; in one transaction, none are.",
    ),
    "failover": Scenario(
        failover,
        "a replica of Redis that lacks the last orders takes over",
        "What Redis has forgotten is sold again, unless the ledger has the last word; promises may be lost even then.",
    ),
    "retry-storm": Scenario(
        retry_storm,
        "thirty buyers have read the stock before one of them writes",
        "Optimistic strategies stay exact, but repeat many attempts; conditional-update repeats none.",
    ),
    "hot-and-spread": Scenario(
        hot_and_spread,
        "the same purchases, sent to one sale and to a hundred",
        "A row or a key that all purchases need makes one sale slower than a hundred: the ratio is above 1.",
        faults=False,
    ),
}


async def play(
    target: OwnTarget,
    scenario: Scenario,
    strategies: Sequence[type[RegisteredStrategy]],
    say: Callable[[str], None],
    *,
    scenes: list[Scene],
    failures: dict[str, str],
) -> None:
    """Play a scenario with each strategy. Add to `scenes`, or by strategy to `failures` the reason why it failed.

    Both are added to after each strategy, so that a caller who is interrupted has what has ended until then. After a
    failure the installation is repaired for the next strategy. Raise ProcessFailed if it cannot be.
    """
    progress = Progress(len(strategies), say)
    for strategy in strategies:
        try:
            played = await scenario.act(target, strategy)
        except FAILURES as error:
            raise_cancellation(error)
            failures[strategy.name] = reason(error)
            progress.ended(f"{strategy.name}: {failures[strategy.name]}")
            await target.recover()
            continue
        scenes += played
        found = "; then ".join(anomalies_text(scene.found) for scene in played)
        progress.ended(f"{strategy.name}: {found or 'no purchase could be stopped'}")


def anomalies_text(found: Mapping[str, int]) -> str:
    """Return the anomalies of a scene with their counts, as text."""
    return ", ".join(f"{anomaly} {count}" for anomaly, count in found.items()) or "nothing found"
