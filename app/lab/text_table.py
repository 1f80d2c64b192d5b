"""Tables as text: aligned, or some lines for each row if they would be too wide, and as Markdown for a page.

rich is not used: in a pipe it folds a table to 80 columns, and its Markdown aligns nothing.
"""

from collections.abc import Iterable, Sequence
from textwrap import wrap

Rows = Sequence[Sequence[str]]
TERM_WIDTH = 21  # of the longest name of a strategy, and two columns
MIN_TEXT_WIDTH = 40  # a narrower column beside a term would be hard to read


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


def laid_out(rows: Rows, width: int) -> list[str]:
    """Return the lines of a table, or its narrow form if the table is wider than `width` columns."""
    lines = aligned(rows)
    return lines if max(map(len, lines)) <= width else narrow(rows, width)


def narrow(rows: Rows, width: int) -> list[str]:
    """Return two or more lines for each row but the heading: its first cell, and the others after their titles."""
    (_, *titles), *rest = rows
    lines = []
    for name, *cells in rest:
        titled = ", ".join(f"{title} {cell}" for title, cell in zip(titles, cells, strict=True))
        lines += [name, *indented(titled, width, "  ")]
    return lines


def explained(terms: Iterable[tuple[str, str]], width: int) -> list[str]:
    """Return the lines of a list of terms, each with its explanation beside it, or beneath it if that is narrow."""
    lines = []
    beside = width >= TERM_WIDTH + MIN_TEXT_WIDTH
    for term, text in terms:
        if beside and len(term) < TERM_WIDTH:
            first, *more = indented(text, width, " " * TERM_WIDTH)
            lines += [term.ljust(TERM_WIDTH) + first.lstrip(), *more]
        else:
            lines += [term, *indented(text, width, "    ")]
    return lines


def indented(text: str, width: int, indent: str = "") -> list[str]:
    """Return the text in lines of at most `width` columns, without breaking names at their hyphens."""
    return wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    ) or [indent]


def markdown(rows: Rows) -> list[str]:
    """Return the lines of a Markdown table in which all columns but the first are aligned to the right."""
    heading, *rest = rows
    rule = ["---", *["---:"] * (len(heading) - 1)]
    return ["| " + " | ".join(row) + " |" for row in [heading, rule, *rest]]
