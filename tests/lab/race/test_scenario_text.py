"""The report of a scenario as text: it fits the terminal, explains its columns, and closes with what was broken."""

import pytest

from app.lab.race.history import History
from app.lab.race.scenario_text import PlayedScenario, scenario_lines
from app.lab.race.scenarios.scene import Scene
from app.races.history.check import Verdict
from app.races.history.findings import Anomaly, Finding

SALE = "race-redis-lock-fenced-0123456789ab"
OVERSOLD = Finding(
    Anomaly.OVERSOLD,
    1,
    f"{SALE}, round 1: 2 tickets are booked, but the stock is 1. Two buyers hold the same ticket:",
    [f"booking {SALE}.1.1764529200000-0.{'a' * 16}: ticket 1"],
)


def scene(strategy: str, *findings: Finding) -> Scene:
    figures = {"stock": 1, "accepted": 2, "booked": 2, "left": 0, "stopped at": "after_stock_read", "waited": "no"}
    return Scene(strategy=strategy, figures=figures, verdict=Verdict(4, 2, 2, findings), history=History())


@pytest.fixture
def played() -> PlayedScenario:
    scenes = [scene("redis-lock", OVERSOLD), scene("lua-fire-and-forget")]
    return PlayedScenario("pause", "a purchase stops", scenes, {"atomic": "API Unreachable"})


@pytest.mark.parametrize("width", [80, 60])
def test_a_scenario_fits_the_terminal(played: PlayedScenario, width: int) -> None:
    """Only an id, which is copied as a whole, may be longer."""
    lines = scenario_lines(played, width)
    assert [line for line in lines if len(line) > width and " " in line.strip()] == []


def test_a_scenario_says_what_was_expected_and_closes_with_what_was_broken(played: PlayedScenario) -> None:
    text = "\n".join(scenario_lines(played, 80))
    assert "Expected: A lock that expires" in text
    assert "waited               whether the second purchase waited for the first one" in text
    assert "atomic               failed: API Unreachable" in text
    assert f"redis-lock:\n  oversold: {SALE}, round 1: 2 tickets are booked," in text
    assert text.split("In short\n")[1].splitlines() == [
        "  No anomaly was found with lua-fire-and-forget.",
        "  redis-lock: oversold 1 (buyers hold tickets that do not exist).",
        "  Not measured to the end: atomic.",
    ]
