"""Columns of the types that tables are kept in, as the few that features are read from."""

from __future__ import annotations

import polars as pl


def plain_columns(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns of text, numbers, yes and no, dates, and lists of them.

    Fields of objects are columns of their own, ``size.width``; times of day and durations are seconds; bytes say
    nothing.

    >>> plain_columns(pl.DataFrame({"size": [{"w": 1, "h": 2}]})).columns
    ['size.w', 'size.h']
    """
    columns: list[pl.Series] = []
    waiting = list(reversed(frame.get_columns()))
    while waiting:
        column = waiting.pop()
        if isinstance(column.dtype, pl.Struct):
            fields = column.struct.unnest().get_columns()
            waiting.extend(field.alias(f"{column.name}.{field.name}") for field in reversed(fields))
        else:
            columns.append(_plain(column))
    return pl.DataFrame(columns)


def _plain(column: pl.Series) -> pl.Series:
    kind = column.dtype
    if isinstance(kind, (pl.Categorical, pl.Enum)):
        return column.cast(pl.String)
    if isinstance(kind, pl.Array):
        return column.arr.to_list()
    if kind == pl.Time:
        return column.cast(pl.Int64) / 1e9
    if kind == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if kind.is_decimal():
        return column.cast(pl.Float64)
    if kind in (pl.Binary, pl.Null):
        return pl.Series(column.name, [None] * len(column), dtype=pl.String)
    return column
