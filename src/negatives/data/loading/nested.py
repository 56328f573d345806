"""What stands deeper in the objects of JSON than the reader of tables goes: fields of objects, lists of lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from negatives.data.readers.blocks import blocks, objects


def rows_of(path: Path, encoding: str | None) -> list[dict[str, Any]]:
    """The objects of a file of JSON Lines that was found to be one."""
    return [
        row
        for line, block in blocks(path, encoding=encoding)
        for _, row in objects(path, enumerate(block.decode().split("\n"), line), "")
    ]


def deeper(rows: Sequence[Mapping[str, Any]], known: Sequence[str]) -> list[pl.Series]:
    """Columns of fields of inner objects, ``size.width``, and of lists of lists, which become one list.

    Args:
        rows: Objects.
        known: Names of columns that are there already.

    >>> rows = [{"size": {"w": 3}, "path": [["Toys", "Games"], ["New"]]}, {"path": []}]
    >>> [(one.name, one.to_list()) for one in deeper(rows, [])]
    [('size.w', ['3', None]), ('path', [['Toys', 'Games', 'New'], []])]
    """
    flat = [dict(_fields(row, "")) for row in rows]
    names = dict.fromkeys(name for row in flat for name in row if name not in known)
    return [_column(name, [row.get(name) for row in flat]) for name in names]


def _fields(row: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from _fields(value, f"{before}{key}.")
        else:
            yield before + key, value


def _column(name: str, cells: Sequence[Any]) -> pl.Series:
    if any(isinstance(cell, list) for cell in cells):
        lists = [None if cell is None else list(_texts(cell)) for cell in cells]
        return pl.Series(name, lists, dtype=pl.List(pl.String))
    return pl.Series(name, [next(_texts(cell), None) for cell in cells], dtype=pl.String)


def _texts(cell: Any) -> Iterator[str]:
    """The plain values of a cell as texts; objects within lists say nothing."""
    if isinstance(cell, list):
        for one in cell:
            yield from _texts(one)
    elif isinstance(cell, bool):
        yield str(cell).lower()
    elif cell is not None and not isinstance(cell, dict):
        yield str(cell)
