"""Number the queries and items of the parts, and merge duplicates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from negatives.data.ids import Ids, Ints, codes_of, names_of
from negatives.data.pairs import Pairs
from negatives.data.table import Table

Times = npt.NDArray[np.float64]
LARGEST = 2**63 - 1


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

    Queries come from ``train`` only. Items of any part belong to the catalogue. The tables are used up: each is taken
    out of ``tables`` as it is numbered, so that large data need not stand in memory twice.
    """
    listed = tables["train"].catalogue
    columns = {name: [Ids.of(table.users), Ids.of(table.items)] for name, table in tables.items()}
    times = {name: table.times for name, table in tables.items()}
    tables.clear()
    queries = names_of([columns["train"][0]])
    items = listed if listed is not None else names_of([ids for _, ids in columns.values()])
    notes: list[str] = []
    parts: dict[str, Pairs] = {}
    for name in list(columns):
        codes = _codes(columns.pop(name), queries, items)
        when = times.pop(name)
        unknown = codes < 0
        if unknown.any():
            notes.append(f"{name}: {int(unknown.sum()):,} pairs dropped, their user has no pair in train")
            codes = codes[~unknown]
            when = None if when is None else when[~unknown]
        read = codes.size
        parts[name] = distinct(codes, when, len(items))
        if read > len(parts[name]):
            merged = f"{read - len(parts[name]):,} duplicate pairs merged"
            notes.append(f"{name}: {merged}" + ("" if when is None else ", earliest kept"))
    return Numbered(parts, queries.cast(pl.String), items.cast(pl.String), tuple(notes))


def _codes(columns: list[Ids], queries: pl.Series, items: pl.Series) -> Ints:
    """``query * n_items + item`` of each pair, ``(n,)`` int64; -1 where one of them has no number."""
    codes = codes_of(columns.pop(0), queries)
    unknown = codes < 0
    codes *= len(items)
    ids = codes_of(columns.pop(), items)
    unknown |= ids < 0
    codes += ids
    codes[unknown] = -1
    return codes


def distinct(codes: Ints, times: Times | None, n_items: int) -> Pairs:
    """Distinct pairs sorted by query and item; of equal pairs the earliest stays.

    Args:
        codes: ``(n,)`` int64, ``query * n_items + item``; used up.
        times: ``(n,)`` or None.
        n_items: Number of items.
    """
    if times is None:
        codes.sort()
    else:
        order = _order(codes)
        codes, times = codes[order], times[order]
    first = np.ones(codes.size, dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    if not first.all():
        codes = codes[first]
        times = None if times is None else np.fmin.reduceat(times, np.flatnonzero(first))
    queries = codes // n_items
    codes -= queries * n_items
    kept = None if times is None else torch.from_numpy(times)
    return Pairs(torch.from_numpy(queries), torch.from_numpy(codes), kept)


def _order(codes: Ints) -> Ints:
    """An order in which the codes grow, ``(n,)`` int64.

    Sorting numbers is ten times as fast as sorting places by them, so code and place are put in one number if they fit.
    """
    n = codes.size
    if n == 0 or int(codes.max()) >= LARGEST // n:
        return np.argsort(codes)
    both = codes * n
    both += np.arange(n)
    both.sort()
    both %= n
    return both
