"""The scenarios, by name."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.lab.race.failures import FAILURES, reason
from app.lab.race.ground import OwnGround
from app.lab.race.scenarios.crash import crash
from app.lab.race.scenarios.failover import failover
from app.lab.race.scenarios.hot_and_spread import hot_and_spread
from app.lab.race.scenarios.limit import limit
from app.lab.race.scenarios.pause import pause
from app.lab.race.scenarios.retry_storm import retry_storm
from app.lab.race.scenarios.scene import Scene
from app.strategies.dependencies import RegisteredStrategy

Act = Callable[[OwnGround, type[RegisteredStrategy]], Coroutine[Any, Any, list[Scene]]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`faults`: whether failpoints and impatient processes are needed."""

    act: Act
    summary: str
    faults: bool = True


SCENARIOS: Mapping[str, Scenario] = {
    "limit": Scenario(limit, "a customer who may have one ticket clicks at once in eight tabs"),
    "pause": Scenario(pause, "who is about to sell the last ticket stands still, and another one comes"),
    "crash": Scenario(crash, "a process dies between its decision and its order"),
    "failover": Scenario(failover, "a replica takes over that lacks the last orders"),
    "retry-storm": Scenario(retry_storm, "everybody has read before anybody writes"),
    "hot-and-spread": Scenario(hot_and_spread, "as many purchases of one sale as of a hundred", faults=False),
}


async def play(
    ground: OwnGround, scenario: Scenario, strategies: Sequence[type[RegisteredStrategy]], say: Callable[[str], None]
) -> tuple[list[Scene], dict[str, str]]:
    """The scenes, and why a strategy has none where it failed. Raises ProcessFailed where not all is mended then."""
    scenes: list[Scene] = []
    failures: dict[str, str] = {}
    for strategy in strategies:
        try:
            played = await scenario.act(ground, strategy)
        except FAILURES as error:
            failures[strategy.name] = reason(error)
            say(f"  {strategy.name}: {failures[strategy.name]}")
            await ground.recover()
            continue
        scenes += played
        for scene in played:
            seen = ", ".join(f"{name} {value}" for name, value in scene.seen.items())
            say(f"  {strategy.name}: {seen}; {told(scene.found)}")
    return scenes, failures


def told(found: Mapping[str, int]) -> str:
    return ", ".join(f"{anomaly} {count}" for anomaly, count in found.items()) or "nothing found"
