"""What stands in a table that was read: a row for each role, repeated rows, the first rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import polars as pl

from negatives.data.ids import Ids
from negatives.data.readers.schema import Schema
from negatives.data.table import Column, Table

HEADING = ("role", "column", "found by", "type", "different", "first values")
WIDEST = 24
"""Letters of a cell that are shown."""
SHOWN = 3
Row = tuple[str, ...]


def roles(table: Table, schema: Schema) -> list[Row]:
    """A row for each role that the data has, the heading first.

    Args:
        table: One part of the data.
        schema: What its roles are.
    """
    found: list[Row] = [HEADING]
    for role in schema:
        if (column := table.columns.get(role.name)) is None:
            continue
        source = table.source
        named = source.columns.get(role.name, "") if source else ""
        why = source.why.get(role.name, "") if source else "format"
        kind, distinct, values = _content(column, role.kind == "time")
        found.append((role.name, short(named), why, kind, distinct, values))
    return found


def _content(column: Column, time: bool) -> tuple[str, str, str]:
    """Type, number of different values, and examples or the range."""
    if isinstance(column, Ids):
        head = ", ".join(map(short, column.pick(np.arange(min(SHOWN, len(column)))).text()))
        kind = "whole numbers" if column.names is None else "text"
        return kind, f"{pl.Series(column.values).n_unique():,}", head
    if isinstance(column, pl.Series):
        kind = "lists of texts" if column.dtype.is_nested() else "text"
        first = [" | ".join(map(str, one)) if isinstance(one, list) else str(one) for one in column.head(SHOWN)]
        return kind, f"{column.n_unique():,}", ", ".join(map(short, first))
    there = column[~np.isnan(column)]
    kind = "times" if time else "numbers"
    if not there.size:
        return kind, "0", ""
    write = _moment if time else "{:g}".format
    return kind, f"{np.unique(there).size:,}", f"{write(float(there.min()))} to {write(float(there.max()))}"


def _moment(seconds: float) -> str:
    """A time as ISO 8601 has it; numbers that are none, as the order of a log, stay numbers.

    >>> _moment(1714521600.0), _moment(7.0)
    ('2024-05-01 00:00', '7')
    """
    if abs(seconds) < 1e6 or abs(seconds) > 1e11:
        return f"{seconds:g}"
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"


def repeated(table: Table, schema: Schema) -> int:
    """Rows whose needed roles all stand in an earlier row too."""
    columns: dict[str, pl.Series] = {}
    for role in schema.needed:
        column = table.columns.get(role.name)
        if column is None or (isinstance(column, pl.Series) and column.dtype.is_nested()):
            continue
        columns[role.name] = pl.Series(column.values if isinstance(column, Ids) else column)
    return len(table) - pl.DataFrame(columns).n_unique() if columns else 0


def first_rows(table: Table) -> list[Row]:
    """The first rows as the file has them, the names of its columns first; empty where the format has no columns."""
    if table.source is None:
        return []
    frame = table.source.first
    return [tuple(map(short, frame.columns)), *(tuple(short(str(cell)) for cell in row) for row in frame.iter_rows())]


def short(text: str, widest: int = WIDEST) -> str:
    """A text on one line, cut where it is long.

    >>> short("a b", 8), short("one two three", 8)
    ('a b', 'one two…')
    """
    line = " ".join(text[: 4 * widest].split())
    return line if len(line) <= widest and len(text) <= 4 * widest else line[: widest - 1].rstrip() + "…"


def sizes(parts: Sequence[tuple[str, int]], what: str) -> str:
    """How many rows each part has.

    >>> sizes([("train", 1200), ("test", 1)], "pair")
    'train: 1,200 pairs, test: 1 pair'
    """
    return ", ".join(f"{part}: {n:,} {what}{'' if n == 1 else 's'}" for part, n in parts)
