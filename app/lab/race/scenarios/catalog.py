"""The scenarios, by name."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.lab.race.failures import FAILURES, reason
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
class RaceScenario:
    """`faults`: whether failpoints and impatient processes are needed."""

    act: Act
    summary: str
    faults: bool = True


SCENARIOS: Mapping[str, RaceScenario] = {
    "limit": RaceScenario(limit, "a customer who may have one ticket clicks at once in eight tabs"),
    "pause": RaceScenario(pause, "who is about to sell the last ticket stands still, and another one comes"),
    "crash": RaceScenario(crash, "a process dies between its decision and its order"),
    "failover": RaceScenario(failover, "a replica takes over that lacks the last orders"),
    "retry-storm": RaceScenario(retry_storm, "everybody has read before anybody writes"),
    "hot-and-spread": RaceScenario(hot_and_spread, "as many purchases of one sale as of a hundred", faults=False),
}


async def play(
    target: OwnTarget,
    scenario: RaceScenario,
    strategies: Sequence[type[RegisteredStrategy]],
    say: Callable[[str], None],
) -> tuple[list[Scene], dict[str, str]]:
    """The scenes, and why a strategy has none where it failed. Raises ProcessFailed where not all is mended then."""
    scenes: list[Scene] = []
    failures: dict[str, str] = {}
    for strategy in strategies:
        try:
            played = await scenario.act(target, strategy)
        except FAILURES as error:
            failures[strategy.name] = reason(error)
            say(f"  {strategy.name}: {failures[strategy.name]}")
            await target.recover()
            continue
        scenes += played
        for scene in played:
            seen = ", ".join(f"{name} {value}" for name, value in scene.seen.items())
            say(f"  {strategy.name}: {seen}; {told(scene.found)}")
    return scenes, failures


def told(found: Mapping[str, int]) -> str:
    return ", ".join(f"{anomaly} {count}" for anomaly, count in found.items()) or "nothing found"
