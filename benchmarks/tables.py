"""Tables of figures in plain text."""

from collections.abc import Sequence


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """Rows under each other: the first column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
