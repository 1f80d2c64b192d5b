"""The report of one scenario as text: its table, what that means, what was found, and the witnesses."""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from app.lab.race.closing import Result, closing_lines
from app.lab.race.scenarios.catalog import SCENARIOS, anomalies_text
from app.lab.race.scenarios.scene import Scene
from app.lab.race.table import witness_lines
from app.lab.text_table import explained, indented, laid_out

FIGURES: Mapping[str, str] = {
    "stock": "tickets for sale",
    "accepted": "tickets that buyers were promised",
    "booked": "tickets booked in the ledger",
    "left": "tickets left, according to the counter from which the strategy sells",
    "stopped at": "where the first purchase was stopped: a failpoint of app/failpoints.py, or its row in the ledger",
    "waited": "whether the second purchase waited for the first one",
    "died": "the process that was killed, and where it was",
    "not replicated": "orders that were accepted after the replica had been cut off",
    "retries": "attempts inside the service that lost to another purchase",
    "aborts": "those of the retries that PostgreSQL aborted",
    "asked again": "requests that buyers repeated",
    "hot accepted/s": "purchases accepted in a second, all from one sale",
    "spread accepted/s": "purchases accepted in a second, from a hundred sales",
    "ratio": "the second rate over the first",
}


class PlayedScenario(NamedTuple):
    """The result of one scenario, played with all chosen strategies.

    `failures`: for each strategy that could not be played, the reason
    """

    name: str
    summary: str
    scenes: list[Scene]
    failures: dict[str, str]

    @property
    def has_result(self) -> bool:
        """Return whether it was played with a strategy, or failed with one."""
        return bool(self.scenes or self.failures)

    def rows(self) -> list[list[str]]:
        """Return a table: the heading, a row for each scene, and a row for each failure."""
        names = list(dict.fromkeys(name for scene in self.scenes for name in scene.figures))
        rows = [["strategy", *names, "found"]]
        rows += [
            [scene.strategy, *(str(scene.figures.get(name, "-")) for name in names), anomalies_text(scene.found)]
            for scene in self.scenes
        ]
        return rows + [[name, *["-"] * len(names), f"failed: {why}"] for name, why in self.failures.items()]


def scenario_lines(played: PlayedScenario, width: int) -> list[str]:
    """Return the report of a scenario as lines of text."""
    heading, *rows = played.rows()
    figures = [row[:-1] for row in rows[: len(played.scenes)]]
    found = [(row[0], row[-1]) for row in rows]
    lines = [
        *indented(f"{played.name}: {played.summary}", width),
        *indented(f"Expected: {SCENARIOS[played.name].expected}", width),
        "",
    ]
    if figures:
        lines += [*laid_out([heading[:-1], *figures], width), ""]
        lines += [*explained([(name, FIGURES[name]) for name in heading[1:-1]], width), ""]
    lines += ["What was found:", "", *explained(found, width)]
    for scene in played.scenes:
        for finding in scene.verdict.findings:
            lines += ["", f"{scene.strategy}:", *witness_lines(finding, width)]
    return [*lines, "", *closing_lines(results_of(played), width)]


def results_of(played: PlayedScenario) -> list[Result]:
    """Return the results by strategy. A strategy of several scenes has the sum of what was found in them."""
    found: dict[str, Counter[str]] = {}
    for scene in played.scenes:
        found.setdefault(scene.strategy, Counter()).update(scene.found)
    results = [Result(name, counts) for name, counts in found.items()]
    return results + [Result(name, {}, failure=True) for name in played.failures]
