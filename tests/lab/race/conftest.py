"""Fixtures for one installation whose processes may be killed. All scenarios of a session share it.

Each scenario is played once with each strategy.
"""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from app.lab.race.scenarios.catalog import SCENARIOS
from app.lab.race.scenarios.scene import Scene
from app.lab.race.target import OwnTarget
from app.lab.stack.home import LabHome
from app.lab.stack.supervised import supervised
from app.strategies.registry import STRATEGIES

Play = Callable[[str, str], Awaitable[list[Scene]]]


@pytest.fixture(scope="package")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnTarget]:
    home = LabHome(tmp_path_factory.mktemp("race"))
    with OwnTarget(home, print, 2, 1, faults=True) as target:
        yield target


@pytest.fixture(scope="package")
def play(target: OwnTarget) -> Play:
    """Return a function that plays a scenario with a strategy, both given by name, and remembers its scenes."""
    played: dict[tuple[str, str], list[Scene]] = {}

    async def play(scenario: str, strategy: str) -> list[Scene]:
        if (scenario, strategy) not in played:
            work = SCENARIOS[scenario].act(target, STRATEGIES[strategy])
            played[scenario, strategy] = await supervised(work, target.supervisor)
        return played[scenario, strategy]

    return play


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"
