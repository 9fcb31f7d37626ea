"""Output for people: columns that line up, times in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime


def table(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as text. What would move the cursor or break the line is shown as `?`.

    >>> print(table(["id", "n"], [["a", 1], ["b\\ncd", None]]))
    id    n
    a     1
    b?cd  -
    """
    cells = [list(headings), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(headings))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def moment(value: str | None) -> datetime | None:
    """A time as the database writes it."""
    return datetime.fromisoformat(value) if value else None


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return "".join(character if character.isprintable() else "?" for character in str(value))
