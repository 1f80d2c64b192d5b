"""The figures of a race: medians, spread, the ranking, the tables, and the page into which they are written."""

from typing import Any

import pytest

from app.lab.race.closing import COSTS
from app.lab.race.figures import Entry, RaceFigures, by_merit, percentiles_ms
from app.lab.race.output import RaceReport
from app.lab.race.page import NoMarks, race_tables, rewritten
from app.lab.race.plain_race import Race
from app.lab.race.table import OUTCOME, STORES, TABLES, table, text_of
from app.lab.race.workload import Workload
from app.races.history.findings import Anomaly, Finding
from app.strategies.registry import STRATEGIES, summary_of


def run(**figures: Any) -> RaceFigures:
    known: dict[str, Any] = {
        "stock": 10,
        "accepted": 10,
        "sold": 10,
        "oversold": 0,
        "undersold": 0,
        "errors": 0,
        "p50_ms": 1.0,
        "p95_ms": 2.0,
        "p99_ms": 3.0,
        "p999_ms": 4.0,
        "answered_per_second": 100.0,
        "seconds_to_consistent": 0.1,
        "retries": 0.0,
        "aborts": 0.0,
        "asked_again": 0.0,
    }
    return RaceFigures(**known | figures)


def entry(name: str, *runs: RaceFigures, promises: bool = True, findings: list[Finding] | None = None) -> Entry:
    entry = Entry(name, promises_exactness=promises, keeps_limit=True, accepted_in="ledger")
    for figures in runs:
        entry.add(figures, findings or [])
    return entry


def oversold() -> Finding:
    return Finding(Anomaly.OVERSOLD, 5, "15 tickets are booked, and there are 10.", ["booking r1", "booking r2"])


def test_a_figure_is_the_median_with_its_spread() -> None:
    measured = entry("x", *(run(answered_per_second=value) for value in (300.0, 100.0, 200.0)))
    spread = measured.spread("answered_per_second")
    assert spread is not None
    assert (spread.median, spread.lowest, spread.highest) == (200.0, 100.0, 300.0)


def test_a_figure_that_one_run_lacks_has_no_spread() -> None:
    assert entry("x", run(lock_wait_ms=1.0), run()).spread("lock_wait_ms") is None
    assert entry("x").spread("sold") is None


def test_exact_ones_come_first_and_among_equals_the_fastest() -> None:
    slow, fast = entry("slow", run(answered_per_second=1.0)), entry("fast", run(answered_per_second=9.0))
    wrong = entry("wrong", run(oversold=5, answered_per_second=99.0), promises=False)
    assert [each.name for each in by_merit([wrong, slow, fast])] == ["fast", "slow", "wrong"]


def test_a_promise_is_broken_by_the_ledger_by_the_history_or_by_not_being_raced() -> None:
    assert entry("x", run()).kept_its_promise
    assert not entry("x", run(undersold=1)).kept_its_promise
    assert not entry("x", run(), findings=[oversold()]).kept_its_promise
    assert entry("x", run(oversold=5), promises=False, findings=[oversold()]).kept_its_promise
    failed = entry("x")
    failed.failure = "API Unreachable"
    assert not failed.kept_its_promise


def test_a_strategy_that_was_not_raced_is_accused_of_nothing() -> None:
    failed, wrong = entry("absent"), entry("wrong", run(oversold=5))
    failed.failure = "API Unreachable"
    text = text_of([failed, wrong])
    assert "absent !" not in text
    assert [line for line in text.splitlines() if line.startswith("absent")] == ["absent: not raced: API Unreachable"]
    assert "wrong !" in text  # the control
    assert race_tables([failed])[2].endswith("| not raced |")


def test_a_strategy_that_fails_later_keeps_what_was_found_before() -> None:
    wrong, right = entry("wrong", run(oversold=5), promises=False, findings=[oversold()]), entry("right", run())
    wrong.failure = right.failure = "API Unreachable"
    text = text_of([wrong, right])
    assert "wrong: failed after 1 runs: API Unreachable" in text
    assert "booking r1" in text
    assert "No anomaly was found" not in text
    assert "Not measured to the end: right, wrong." in " ".join(text.split())
    found = [row.rsplit("|", 2)[1].strip() for row in race_tables([right, wrong])[2:4]]
    assert found == ["not measured to the end", "oversold 5"]


def test_findings_of_all_runs_are_counted_and_one_is_shown() -> None:
    measured = entry("x", run(), run(), promises=False, findings=[])
    measured.add(run(), [oversold()])
    measured.add(run(), [oversold()])
    assert [finding.count for finding in measured.findings.values()] == [10]
    assert text_of([measured]).count("booking r1") == 1


def test_the_number_of_oversold_runs_is_reported() -> None:
    measured = entry("x", run(), run(oversold=5), run(oversold=1), promises=False, findings=[oversold()])
    assert measured.as_json()["oversold_in"] == 2
    assert "oversold in 2 of 3 runs" in text_of([measured])


def test_percentiles_are_latencies_that_some_purchase_had() -> None:
    assert percentiles_ms([number / 1000 for number in range(1, 1001)]) == {
        "p50_ms": 500.0,
        "p95_ms": 950.0,
        "p99_ms": 990.0,
        "p999_ms": 999.0,
    }
    assert set(percentiles_ms([]).values()) == {0.0}


def test_a_figure_that_was_not_read_is_a_dash_in_the_table() -> None:
    assert table([entry("x", run(answered_per_second=123456.0))], OUTCOME)[1][6] == "123,456"
    assert table([entry("x", run())], STORES)[1][-1] == "-"


PAGE = """# Page

<!-- crowd, think 50 ms: written by `atomictickets race --write` -->
old
<!-- end of crowd, think 50 ms -->

Words that stay.
"""


def test_the_measured_section_of_a_page_is_replaced_and_the_rest_stays() -> None:
    report = RaceReport(Workload(), 1, 2, Race([entry("x", run(), findings=[])]))
    page = rewritten(PAGE, report)
    assert "\nold\n" not in page
    assert "| x | 10 | 10 | 0 | 0 | 0 | 100 | 100 to 100 | 1.0 |" in page
    assert "--repeat 1 --write" in page
    assert page.endswith("Words that stay.\n")
    assert rewritten(page, report).count("| x | 10 | 10 |") == 1


def test_a_page_without_marks_is_refused() -> None:
    with pytest.raises(NoMarks, match="no place for crowd, think 50 ms"):
        rewritten("# Page", RaceReport(Workload(), 1, 2, Race([])))


@pytest.mark.parametrize("width", [80, 60])
def test_the_tables_and_explanations_fit_the_terminal(width: int) -> None:
    large = run(stock=100_000, sold=100_000, answered_per_second=12_345.6, p999_ms=12_345.6, lock_wait_ms=1_234.5)
    found = Finding(Anomaly.OVERSOLD, 5, "15 tickets are booked, but the stock is 10. " * 3, ["booking " + "r" * 40])
    entries = [entry(name, large, promises=False, findings=[found]) for name in STRATEGIES]
    for each in entries:
        each.summary = summary_of(STRATEGIES[each.name])
    lines = text_of(entries, width).splitlines()
    assert max(map(len, lines)) <= width
    assert sum("(100,000 tickets for sale)" in line for line in lines) == len(TABLES)
    is_narrow = "sold 100,000, oversold 0" in " ".join(" ".join(lines).split())
    assert is_narrow == (width == 60)


def test_the_closing_sentences_say_what_was_broken_and_what_that_costs() -> None:
    failed = entry("absent")
    failed.failure = "API Unreachable"
    wrong = entry("wrong", run(oversold=5), promises=False, findings=[oversold()])
    words = " ".join(text_of([entry("right", run()), wrong, failed]).split("In short")[1].split())
    assert words == (
        "No anomaly was found with right. wrong does not promise to be exact, and was not: oversold 5 (buyers hold"
        " tickets that do not exist). Not measured to the end: absent."
    )


def test_without_a_history_the_figures_accuse() -> None:
    assert entry("x", run(oversold=2), run(oversold=3)).found == {"oversold": 5}
    assert entry("x", run()).found == {}


def test_without_a_history_nothing_is_called_checked() -> None:
    believed, wrong = entry("believed"), entry("wrong", promises=False)
    believed.add(run(), None)
    wrong.add(run(oversold=2), None)
    words = " ".join(text_of([believed, wrong]).split("In short")[1].split())
    assert words.startswith(
        "No history was checked. According to the service itself, these were exact: believed. wrong"
    )
    found = [row.rsplit("|", 2)[1].strip() for row in race_tables([believed, wrong])[2:4]]
    assert found == ["not checked", "oversold 2"]
    assert not believed.as_json()["checked"]
    assert entry("x", run()).as_json()["checked"]  # the control


def test_each_anomaly_has_its_cost_in_words() -> None:
    assert set(COSTS) == set(Anomaly)


def test_each_strategy_has_one_line_that_says_what_it_is() -> None:
    assert [name for name, strategy in STRATEGIES.items() if not summary_of(strategy).endswith(".")] == []
