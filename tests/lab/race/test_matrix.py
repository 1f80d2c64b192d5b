"""The matrix in docs/strategies.md, cell by cell: the damage that it names is the damage that a scenario finds."""

import re

import pytest

from app.strategies.registry import STRATEGIES, summary_of
from tests.lab.race.conftest import Play
from tests.support.docs_pages import page, table

COLUMNS = ("limit", "pause", "crash", "failover")
# Evidence from inside the service, in addition to the damage. It exists only if the service records its attempts.
INSIDE = {"lost-update", "stale-guard", "write-skew", "expired-lock"}

ROWS = {name: cells for name, *cells in table(page("strategies.md"), "## Matrix of anomalies")}
# The cells that the first tier tests: from each column one with damage, and one without.
FIRST = {
    *(("limit", "naive"), ("pause", "redis-lock"), ("crash", "redis-decr"), ("failover", "redis-decr")),
    *((column, "conditional-update") for column in COLUMNS),
}
CELLS = [
    pytest.param(
        name,
        scenario,
        set(re.findall(r"[a-z-]+", cell)) - {"none"},
        id=f"{scenario}-{name}",
        marks=() if (scenario, name) in FIRST else pytest.mark.thorough,
    )
    for name, (_, *cells, _) in ROWS.items()
    for scenario, cell in zip(COLUMNS, cells, strict=True)
]


@pytest.mark.parametrize(("strategy", "scenario", "documented"), CELLS)
async def test_a_cell_of_the_matrix_is_what_happens(
    play: Play, strategy: str, scenario: str, documented: set[str]
) -> None:
    scenes = await play(scenario, strategy)
    assert scenes, "nothing was stopped or killed"
    assert set(scenes[0].found) - INSIDE == documented - INSIDE


def test_the_row_of_a_strategy_names_the_place_of_an_accepted_order() -> None:
    assert {name: cells[-1] for name, cells in ROWS.items()} == {
        name: str(strategy.accepted_in) for name, strategy in STRATEGIES.items()
    }


def test_no_promise_is_broken_by_a_crowd() -> None:
    assert {name for name, cells in ROWS.items() if cells[0] != "none" and STRATEGIES[name].promises_exactness} == set()


def test_every_strategy_has_its_protection_and_a_control_without_it() -> None:
    rows = table(page("strategies.md"), "## Protections and controls")
    assert sorted(name for names, *_ in rows for name in names.split(", ")) == sorted(STRATEGIES)
    assert all("::test_" in control or control == "the same" for *_, control in rows)


def test_the_page_says_of_each_strategy_what_its_module_says() -> None:
    rows = table(page("strategies.md"), "## The strategies in one line each")
    assert rows == [[name, summary_of(strategy).replace("`", "")] for name, strategy in STRATEGIES.items()]
