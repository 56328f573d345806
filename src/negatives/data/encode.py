"""Number the queries and items of the parts, and merge duplicates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from negatives.data.ids import BLOCK, Ids, Ints, codes_of, names_of
from negatives.data.pairs import Pairs
from negatives.data.table import Table
from negatives.kernels import move_up_

Times = npt.NDArray[np.float64]
LARGEST = 2**63 - 1
Column = TypeVar("Column", Times, Ints)


@dataclass(frozen=True, slots=True)
class Numbered:
    """Parts with one numbering.

    Args:
        parts: Distinct pairs of each part, sorted by query and item; or all of them, sorted by query and time.
        query_names: Names of the queries.
        item_names: Names of the items.
        notes: What was merged or dropped.
    """

    parts: dict[str, Pairs]
    query_names: pl.Series
    item_names: pl.Series
    notes: tuple[str, ...]


def number(tables: dict[str, Table], ordered: bool = False, sides: Mapping[str, Ids] | None = None) -> Numbered:
    """Number the ids of all parts together and merge duplicates within each part.

    Queries come from ``train`` only, items from any part; and both from the tables that say something of them. The
    tables are used up: each is taken out of ``tables`` as it is numbered, so that large data need not stand in memory
    twice.

    Args:
        tables: Rows by part, ``train`` among them.
        ordered: Whether the order of a query's pairs matters; then pairs that come again stay.
        sides: Names of ``user`` and ``item`` that stand in tables of their own.
    """
    more = {side: [ids] for side, ids in (sides or {}).items()}
    listed = tables["train"].catalogue
    columns = {name: [table.ids("user"), table.ids("item")] for name, table in tables.items()}
    times = {name: table.numbers("time") for name, table in tables.items()}
    weights = {name: table.numbers("weight") for name, table in tables.items()}
    groups = _groups(tables)
    tables.clear()
    queries = names_of([columns["train"][0], *more.get("user", ())])
    found = [*(ids for _, ids in columns.values()), *more.get("item", ())]
    items = names_of(found) if listed is None else listed.listed()
    notes: list[str] = []
    parts: dict[str, Pairs] = {}
    for name in list(columns):
        codes = _codes(columns.pop(name), queries, items)
        when, much, group = times.pop(name), weights.pop(name), groups.pop(name, None)
        known = codes >= 0
        if not known.all():
            notes.append(f"{name}: {int((~known).sum()):,} pairs dropped, their user has no pair in train")
            codes = codes[known]
            when = None if when is None else when[known]
            much = None if much is None else much[known]
            group = None if group is None else group[known]
        if ordered:
            parts[name] = in_order(codes, when, len(items), much, group)
            continue
        read = codes.size
        parts[name] = distinct(codes, when, len(items), much, group)
        if read > len(parts[name]):
            merged = f"{read - len(parts[name]):,} duplicate pairs merged"
            summed = "" if much is None else ", weights summed"
            notes.append(f"{name}: {merged}" + ("" if when is None else ", earliest kept") + summed)
    return Numbered(parts, queries.cast(pl.String), items.cast(pl.String), tuple(notes))


def _codes(columns: list[Ids], queries: pl.Series, items: pl.Series) -> Ints:
    """``query * n_items + item`` of each pair, ``(n,)`` int64; below zero where one of them has no number."""
    codes = codes_of(columns.pop(0), queries, in_place=True)
    codes *= len(items)  # below zero for unknown queries, whatever the item
    ids = codes_of(columns.pop(), items, in_place=True)
    unknown = ids < 0
    codes += ids
    if unknown.any():
        codes[unknown] = -1
    return codes


def _groups(tables: dict[str, Table]) -> dict[str, Ints]:
    """Number of each row's group, the same in all parts; empty where some part has none."""
    if not all("group" in table.columns for table in tables.values()):
        return {}
    names = names_of([table.ids("group") for table in tables.values()])
    return {name: codes_of(table.ids("group"), names) for name, table in tables.items()}


def distinct(
    codes: Ints, times: Times | None, n_items: int, weights: Times | None = None, groups: Ints | None = None
) -> Pairs:
    """Distinct pairs sorted by query and item; of equal pairs the earliest stays, with the sum of their weights.

    Args:
        codes: ``(n,)`` int64, ``query * n_items + item``; used up.
        times: ``(n,)`` or None.
        n_items: Number of items.
        weights: ``(n,)`` or None.
        groups: ``(n,)`` int64 or None; of equal pairs the first in the file says it.
    """
    if times is None and weights is None and groups is None:
        codes.sort()
    else:
        order = _order(codes)
        codes, times, weights, groups = codes[order], _in(times, order), _in(weights, order), _in(groups, order)
    first = np.ones(codes.size, dtype=bool)
    np.not_equal(codes[1:], codes[:-1], out=first[1:])
    if not first.all():
        times = None if times is None else np.fmin.reduceat(times, np.flatnonzero(first))
        weights = None if weights is None else np.add.reduceat(weights, np.flatnonzero(first))
        groups = None if groups is None else groups[first]
        codes = move_up_(torch.from_numpy(codes), torch.from_numpy(first)).numpy()
    queries = codes // n_items
    for start in range(0, codes.size, BLOCK):
        block = slice(start, start + BLOCK)
        codes[block] -= queries[block] * n_items
    kept = (None if one is None else torch.from_numpy(one) for one in (times, weights, groups))
    return Pairs(torch.from_numpy(queries), torch.from_numpy(codes), *kept)


def in_order(
    codes: Ints, times: Times | None, n_items: int, weights: Times | None = None, groups: Ints | None = None
) -> Pairs:
    """Pairs query by query, each query's by time; of equal times, and without times, the order of the file stays.

    Args:
        codes: ``(n,)`` int64, ``query * n_items + item``.
        times: ``(n,)`` or None.
        n_items: Number of items.
        weights: ``(n,)`` or None.
        groups: ``(n,)`` int64 or None.

    >>> in_order(np.array([12, 3, 11]), np.array([2.0, 5.0, 1.0]), 10).items.tolist()
    [3, 1, 2]
    """
    queries = codes // n_items
    order = np.argsort(queries, kind="stable") if times is None else np.lexsort((times, queries))
    columns = (queries[order], (codes % n_items)[order], _in(times, order), _in(weights, order), _in(groups, order))
    return Pairs(*(None if one is None else torch.from_numpy(one) for one in columns))  # type: ignore[arg-type]


def _in(values: Column | None, order: Ints) -> Column | None:
    return None if values is None else values[order]


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
