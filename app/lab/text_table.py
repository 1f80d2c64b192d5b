"""Tables as text: aligned, the same in a terminal, in a pipe and in a file, and as Markdown for a page.

rich is not used: in a pipe it folds a table to 80 columns, and its Markdown aligns nothing.
"""

from collections.abc import Sequence

Rows = Sequence[Sequence[str]]


def columns(rows: Rows, *, left: int = 1) -> list[str]:
    """Return the rows as lines. The first `left` columns are aligned to the left, and the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def aligned(rows: Rows, *, left: int = 1) -> list[str]:
    """Return the lines of a table, of which the first row is the heading: heading, rule, and the other rows."""
    heading, *rest = lines = columns(rows, left=left)
    return [heading, "-" * max(map(len, lines)), *rest]


def markdown(rows: Rows) -> list[str]:
    """Return the lines of a Markdown table in which all columns but the first are aligned to the right."""
    heading, *rest = rows
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [heading, rule, *rest]]
