"""Number the queries and items of the parts, and merge duplicates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from negatives.data import ids
from negatives.data.pairs import Pairs
from negatives.data.table import Table

Ints = npt.NDArray[np.int64]


def names_of(columns: Sequence[pl.Series]) -> pl.Series:
    """Distinct names of one or several columns, sorted: numbers by value, text by its characters."""
    if all(column.dtype == pl.Int64 for column in columns):
        return pl.concat([column.unique() for column in columns]).unique().sort()
    return pl.concat([column.cast(pl.String).unique() for column in columns]).unique().sort()


def codes_of(column: pl.Series, names: pl.Series) -> Ints:
    """Position of each value in ``names`` (distinct), ``(n,)`` int64; -1 where it is not there."""
    if names.dtype == pl.Int64 and column.dtype == pl.Int64:
        return _number_codes(column.to_numpy(), names.to_numpy())
    known = pl.Enum(names.cast(pl.String))
    codes = column.cast(pl.String).cast(known, strict=False).to_physical()
    return codes.cast(pl.Int64).fill_null(-1).to_numpy()


def _number_codes(values: Ints, names: Ints) -> Ints:
    low, high = int(names.min()), int(names.max())
    if high - low > 4 * names.size + (1 << 20):
        order = np.argsort(names)
        at = np.searchsorted(names[order], values).clip(max=names.size - 1)
        return np.where(names[order][at] == values, order[at], -1)
    table = np.full(high - low + 1, -1, dtype=np.int64)
    table[names - low] = np.arange(names.size)
    inside = (values >= low) & (values <= high)
    if inside.all():
        return table[values - low]
    return np.where(inside, table[np.where(inside, values, low) - low], -1)


@dataclass(frozen=True, slots=True)
class Numbered:
    """Parts with one numbering.

    Args:
        parts: Distinct pairs of each part, sorted by query and item.
        query_names: Names of the queries.
        item_names: Names of the items.
        notes: What was merged or dropped.
    """

    parts: dict[str, Pairs]
    query_names: pl.Series
    item_names: pl.Series
    notes: tuple[str, ...]


def number(tables: dict[str, Table]) -> Numbered:
    """Number the ids of all parts together and merge duplicates within each part.

    Queries come from ``train`` only. Items of any part belong to the catalogue.
    """
    queries = ids.names_of([tables["train"].ids("user")])
    listed = tables["train"].catalogue
    items = ids.names_of([table.ids("item") for table in tables.values()]) if listed is None else listed.listed()
    notes: list[str] = []
    parts: dict[str, Pairs] = {}
    for name, table in tables.items():
        users, taken = ids.codes_of(table.ids("user"), queries), ids.codes_of(table.ids("item"), items)
        times = table.numbers("time")
        unknown = (users < 0) | (taken < 0)
        if unknown.any():
            notes.append(f"{name}: {int(unknown.sum()):,} pairs dropped, their user has no pair in train")
            users, taken = users[~unknown], taken[~unknown]
            times = None if times is None else times[~unknown]
        parts[name] = distinct(users, taken, times, len(items))
        merged = users.size - len(parts[name])
        if merged:
            notes.append(f"{name}: {merged:,} duplicate pairs merged" + ("" if times is None else ", earliest kept"))
    return Numbered(parts, queries.cast(pl.String), items.cast(pl.String), tuple(notes))


def distinct(users: Ints, items: Ints, times: npt.NDArray[np.float64] | None, n_items: int) -> Pairs:
    """Distinct pairs sorted by query and item; of equal pairs the earliest stays."""
    codes = users * n_items + items
    order: Ints | None = None
    if times is not None:
        order = np.lexsort((times, codes))
        codes = codes[order]
    else:
        codes.sort()
    first = np.ones(codes.size, dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    if not first.all():
        codes = codes[first]
    kept = None if times is None or order is None else torch.from_numpy(times[order][first])
    return Pairs(torch.from_numpy(codes // n_items), torch.from_numpy(codes % n_items), kept)


def contains(pairs: Pairs, others: Pairs, n_items: int) -> Tensor:
    """``(len(pairs),)`` bool: the pair stands in ``others`` too. Both are sorted and distinct."""
    codes, known = (p.queries * n_items + p.items for p in (pairs, others))
    if known.numel() == 0:
        return torch.zeros(codes.numel(), dtype=torch.bool)
    at = torch.searchsorted(known, codes).clamp_max(known.numel() - 1)
    return known[at] == codes
