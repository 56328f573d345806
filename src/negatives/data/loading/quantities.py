"""Numbers and vectors in the cells of a table: with a unit or a currency, with thousands divided, as lists or texts."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

import polars as pl

from negatives.data.readers import values

CURRENCY = "$€£¥₹"
_WRITTEN = rf"^([{CURRENCY}]?)\s*([-+]?\d[\d.,]*)\s*([%{CURRENCY}]|[A-Za-z]{{1,3}})?$"
"""A number with a currency before it, or a unit, a currency or a percent sign behind it."""
THOUSANDS = r"^[-+]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"
_BRACKETS = "[]() "
_MARKS = re.compile(r"[\s,;]+")


def numbers_of(cells: pl.Series) -> pl.Series:
    """Cells as float64: numbers, yes and no, and times as seconds; null for all else.

    A unit or a currency is left out where it is the same in all cells that have one. Commas divide thousands where
    three digits follow each of them in all cells.

    >>> numbers_of(pl.Series(["$1,250", "$99.50", "free"])).to_list()
    [1250.0, 99.5, None]
    """
    if cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64)
    if cells.dtype.is_temporal() or (cells.dtype == pl.String and values.looks_like_time(cells)):
        return values.times(cells, values.time_format(cells)[0], 1.0)
    found = values.numbers(cells)
    if cells.dtype == pl.String and found.null_count() > cells.null_count():
        found = found.fill_null(_with_units(cells))
    return found.set(~found.is_finite().fill_null(True), None)


def _with_units(cells: pl.Series) -> pl.Series:
    """Numbers with one unit, or with thousands that are divided; null for all else."""
    parts = cells.str.strip_chars().str.extract_groups(_WRITTEN).struct
    before, written, behind = (parts.field(name) for name in parts.fields)
    units = pl.DataFrame({"before": before, "behind": behind}).filter(written.is_not_null()).fill_null("").unique()
    if len(units.filter((pl.col("before") != "") | (pl.col("behind") != ""))) > 1:
        return pl.Series(cells.name, [None] * len(cells), dtype=pl.Float64)
    commas = written.filter(written.str.contains(",", literal=True).fill_null(False))
    if len(commas) and bool(commas.str.contains(THOUSANDS).all()):
        written = written.str.replace_all(",", "", literal=True)
    return values.numbers(written)


def vector(cell: Any) -> list[float]:
    """The numbers of a list, or of a text of them; 0 for one that is missing or not finite. Empty for all else.

    >>> vector("[3, 4.5]"), vector([1.0, None]), vector("3-4"), vector(None)
    ([3.0, 4.5], [1.0, 0.0], [], [])
    """
    if cell is None:
        return []
    pieces: Iterable[Any] = _MARKS.split(cell.strip(_BRACKETS)) if isinstance(cell, str) else cell
    try:
        found = [0.0 if one is None else float(one) for one in pieces]
    except (TypeError, ValueError, OverflowError):
        return []
    return [one if math.isfinite(one) else 0.0 for one in found]


def usual_length(rows: Iterable[list[Any]]) -> tuple[int, float]:
    """The most frequent length of rows that hold something, and the share of them that have it; 0 where none does.

    >>> usual_length([[1], [2, 3], [], [4, 5]])
    (2, 0.6666666666666666)
    """
    counts = Counter(len(row) for row in rows if row)
    if not counts:
        return 0, 0.0
    length, times = counts.most_common(1)[0]
    return length, times / counts.total()
