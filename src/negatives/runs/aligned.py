"""Tables of text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

WIDTH = 80
"""Columns of a terminal that a table should fit in."""


def aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """Rows of cells as lines, two spaces between columns.

    Args:
        rows: The heading first; all of the same length.
        left: So many columns stand at their left edge, the others at their right one.

    >>> print(aligned([("method", "mrr"), ("bm25", "0.5000")]))
    method     mrr
    bm25    0.5000
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) if place < left else cell.rjust(width) for place, (cell, width) in cells).rstrip()
        for cells in (enumerate(zip(row, widths, strict=True)) for row in rows)
    )


def fitting(rows: Sequence[Sequence[str]], width: int = WIDTH) -> list[Sequence[str]]:
    """The rows without the last columns, as many as it takes to fit; the first two always stay.

    >>> fitting([("method", "recall@20", "ndcg@20"), ("ease", "0.5", "0.4")], width=20)
    [('method', 'recall@20'), ('ease', '0.5')]
    """
    ends = accumulate(max(map(len, column)) + 2 for column in zip(*rows, strict=True))
    kept = max(2, sum(end - 2 <= width for end in ends))
    return [row[:kept] for row in rows]
