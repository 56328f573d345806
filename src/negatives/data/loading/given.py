"""Items that users are known not to want: shown and not taken, or disliked. They become negatives that are given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from negatives.data.ids import Ids, codes_of
from negatives.data.pairs import Pairs
from negatives.data.table import Column, Table
from negatives.errors import InputError
from negatives.types import Csr

BY_TIME = ("temporal", "leave_last_out", "temporal_user", "global_time")
"""Splits after whose cut training knows nothing."""
ROLES = ("user", "item")


def apart(tables: Mapping[str, Table]) -> tuple[dict[str, Table], Table | None]:
    """The tables without the rows that are marked as given negatives, and those rows of the training part.

    What was shown in a part that is held back, training must not know.

    Raises:
        InputError: No other row of the training part is left.
    """
    kept, found = {}, None
    for part, table in tables.items():
        marks = table.numbers("given")
        if marks is None:
            kept[part] = table
            continue
        given = np.nan_to_num(marks) > 0
        if part == "train":
            if given.all():
                raise InputError("every row is a given negative", path=table.path, hint="give rows that were taken too")
            if given.any():
                found = _rows(table, given)
        kept[part] = _rows(table, ~given)
    return kept, found


def given_sets(
    given: Table | None, parts: Mapping[str, Pairs], names: tuple[pl.Series, pl.Series], by_time: bool,
    notes: list[str],
) -> Csr | None:  # fmt: skip
    """Given negatives of each query; None where there are none.

    What a query has taken in any part is none: an item that was shown and taken later, or whose pair is held back.
    Where rows are divided by time, what a query was shown after its last pair in train is left out.

    Args:
        given: Rows of given negatives, or None.
        parts: Pairs by part, numbered.
        names: Names of the queries and of the items.
        by_time: Whether rows are divided by time.
        notes: Takes what was counted.
    """
    if given is None:
        return None
    users, items = (torch.from_numpy(codes_of(given.ids(role), of)) for role, of in zip(ROLES, names, strict=True))
    known, n_items = (users >= 0) & (items >= 0), len(names[1])
    if lost := int((~known).sum()):
        notes.append(f"given negatives: {lost:,} rows dropped, their user or item has no pair")
    times = given.numbers("time")
    if by_time and times is not None and parts["train"].times is not None:
        late = torch.from_numpy(times.copy()) > _last(parts["train"], len(names[0]))[users.clamp(min=0)]
        if dropped := int((late & known).sum()):
            notes.append(f"given negatives: {dropped:,} rows dropped, they are later than the user's pairs in train")
        known &= ~late
    codes = torch.unique(users[known] * n_items + items[known])
    taken = torch.cat([part.queries * n_items + part.items for part in parts.values()])
    mine = torch.isin(codes, taken)
    if bool(mine.any()):
        notes.append(f"given negatives: {int(mine.sum()):,} left out, the user took the item too")
    codes = codes[~mine]
    if not codes.numel():
        return None
    users = codes // n_items
    notes.append(f"given negatives: {codes.numel():,} of {int(torch.unique(users).numel()):,} users")
    return Csr.from_pairs(users, codes % n_items, len(names[0]), n_items)


def _last(train: Pairs, n_queries: int) -> Tensor:
    """``(n_queries,)`` time of each query's last pair."""
    assert train.times is not None
    found = torch.full((n_queries,), -torch.inf, dtype=train.times.dtype)
    return found.scatter_reduce_(0, train.queries, train.times, "amax")


def _rows(table: Table, where: npt.NDArray[np.bool_]) -> Table:
    columns: dict[str, Column] = {}
    for role, column in table.columns.items():
        if role == "given":
            continue
        if isinstance(column, Ids):
            columns[role] = column.pick(where)
        else:
            columns[role] = column.filter(pl.Series(where)) if isinstance(column, pl.Series) else column[where]
    lines = None if table.lines is None else table.lines[where]
    return replace(table, columns=columns, lines=lines)
