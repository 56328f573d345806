"""Names of users and items that stand in two tables and are written otherwise in one, as spreadsheets do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import polars as pl

from negatives.data.ids import Ids
from negatives.data.loading.features import SideTable
from negatives.data.table import Table
from negatives.errors import InputError


def fitted(sides: Mapping[str, SideTable], tables: Mapping[str, Table], notes: list[str]) -> dict[str, SideTable]:
    """Tables of users and items with names as the pairs have them.

    Where none of a table's names has a pair, zeros in front, a fraction of zero and the case of letters are no
    difference, if all names stay distinct.

    Args:
        sides: Tables by side.
        tables: The pairs by part.
        notes: Takes what was done.

    Raises:
        InputError: No name of a table has a pair.
    """
    return {side: _fitted(one, side, tables, notes) for side, one in sides.items()}


def _fitted(side_table: SideTable, side: str, tables: Mapping[str, Table], notes: list[str]) -> SideTable:
    paired = pl.concat([_distinct(table.ids(side)) for table in tables.values()]).unique(maintain_order=True)
    own = side_table.ids.text()
    header = side_table.column
    if bool((paired == header).any()):
        raise InputError(
            f"the first line is no header, {header!r} is one of the {side}s",
            path=side_table.path, hint="put a line with names of columns above it",
        )  # fmt: skip
    if bool(own.is_in(paired.implode()).any()) or not len(own) or not len(paired):
        return side_table
    plain, theirs = _plain(own), _plain(paired)
    shared = plain.is_in(theirs.implode())
    if not bool(shared.any()) or plain.n_unique() < len(plain) or theirs.n_unique() < len(theirs):
        raise InputError(
            f"no {side} of the column {header!r} has a pair, as {own[0]!r} here and {paired[0]!r} there",
            path=side_table.path,
            hint=f"write them alike in both, or name the column with --set reading.{side}_columns=NAME:id",
        )
    at = int(shared.arg_true()[0])
    named = pl.DataFrame({"plain": plain, "own": own}).join(
        pl.DataFrame({"plain": theirs, "theirs": paired}), on="plain", how="left", maintain_order="left"
    )
    names = named["theirs"].fill_null(named["own"])
    notes.append(f"{side_table.name}: {side}s are written otherwise there; {own[at]} is taken for {names[at]}")
    return replace(side_table, ids=Ids.of(names))


def _distinct(ids: Ids) -> pl.Series:
    """Each name once, as text, in the order in which they first come."""
    return Ids(pl.Series(ids.values).unique(maintain_order=True).to_numpy(), ids.names).text()


def _plain(names: pl.Series) -> pl.Series:
    """Names in lower case, without zeros in front or a fraction of zero."""
    return names.str.to_lowercase().str.replace(r"^(-?\d+)\.0+$", "$1").str.replace(r"^0+(\d+)$", "$1")
