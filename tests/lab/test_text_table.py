"""The tables of the lab's reports."""

from app.lab.text_table import aligned, columns, markdown


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
