"""The tables of the lab's reports."""

from app.lab.text_table import aligned, columns, explained, laid_out, markdown


def test_figures_are_aligned_to_the_right_and_names_to_the_left() -> None:
    assert aligned([["strategy", "sold"], ["naive", "123,456"], ["", ""], ["x", "-"]]) == [
        "strategy     sold",
        "-----------------",
        "naive     123,456",
        "",
        "x               -",
    ]


def test_more_columns_than_the_first_may_be_aligned_to_the_left() -> None:
    assert columns([["api", "12", "api.log"], ["worker", "3", "worker.log"]], left=3) == [
        "api     12  api.log",
        "worker  3   worker.log",
    ]


def test_the_markdown_aligns_figures_to_the_right() -> None:
    assert markdown([["strategy", "sold", "errors"], ["naive", "10", "0"]]) == [
        "| strategy | sold | errors |",
        "| --- | ---: | ---: |",
        "| naive | 10 | 0 |",
    ]


def test_a_table_that_is_too_wide_has_some_lines_for_each_row() -> None:
    rows = [["strategy", "sold", "oversold"], ["redis-lock", "123,456", "0"]]
    assert laid_out(rows, 29) == aligned(rows)
    assert laid_out(rows, 28) == ["redis-lock", "  sold 123,456, oversold 0"]
    assert laid_out(rows, 25) == ["redis-lock", "  sold 123,456, oversold", "  0"]


def test_an_explanation_is_beside_its_term_or_beneath_it() -> None:
    text = "Retries a purchase whose version has changed."
    assert explained([("optimistic", text)], 61) == [
        "optimistic           Retries a purchase whose version has",
        "                     changed.",
    ]
    assert explained([("optimistic", text)], 60) == ["optimistic", f"    {text}"]
