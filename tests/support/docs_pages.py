"""The pages under docs/, and the tables in them."""

from tests.support.project import PROJECT

PAGES = sorted((PROJECT / "docs").glob("*.md"))


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text(encoding="utf-8")


def table(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table that follows the heading, without its head and without backticks."""
    lines = text.split(f"\n{heading}\n", 1)[1].splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("|"))
    rows = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().replace("`", "") for cell in line.strip().strip("|").split(" | ")])
    return rows
