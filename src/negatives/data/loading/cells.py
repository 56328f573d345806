"""Cells of tables of users and items as features: read first from a table, and again from what comes later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from negatives.data.bags import bags, vocabulary
from negatives.data.columns import BAGS
from negatives.data.features import Feature, Features
from negatives.data.loading.kinds import listed, numbers_of
from negatives.data.readers import values
from negatives.data.sparse import SparseFeatures

FURTHEST = 10.0
"""Standard deviations from the mean beyond which a number counts no more."""


def feature(
    cells: pl.Series, kind: str, mark: str | None = None, least: int = 1, most: int = 20_000, place: int = 0
) -> Feature:
    """A column as it is read for the first time.

    Args:
        cells: ``(n,)`` of any type; null where nothing stands.
        kind: One of :data:`KINDS`.
        mark: What stands between the values of a list that is written as a text.
        least: Rows in which a value must stand to have a column of a bag.
        most: Columns of a bag, those of the most frequent values.
        place: Length of a vector, 0 for that of the first cell.

    >>> found = feature(pl.Series("price", [1.0, 3.0, None]), "number")
    >>> found.dense.tolist()
    [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    if kind in BAGS:
        words = _words(cells, kind, mark, least, most)
        bag = _bag(cells, kind, words, mark)
        return Feature(cells.name, kind, bag, words=words, scale=bag.rarity(), mark=mark)
    if kind == "number":
        found = numbers_of(cells)
        mean, spread = found.mean(), found.std(ddof=0)
        scale = torch.tensor([_number(mean), _number(spread) or 1.0], dtype=torch.float64)
        return Feature(cells.name, kind, dense=_scaled(found, scale), scale=scale)
    return Feature(cells.name, kind, dense=_unit(vectors_of(cells, place)))


def read_again(features: Features, rows: Sequence[Mapping[str, Any]]) -> Features:
    """Other rows under the numbering and the scales of some features, from their cells by column.

    >>> whole = Features(2, (feature(pl.Series("colour", ["red", "blue"]), "category"),))
    >>> later = read_again(whole, [{"colour": "blue"}, {"colour": "green"}])
    >>> [later.sparse().row(at)[0].tolist() for at in range(2)]
    [[0], []]
    """
    found = []
    for column in features.columns:
        cells = pl.Series(column.name, [row.get(column.name) for row in rows], strict=False)
        found.append(column_again(column, cells))
    return Features(len(rows), tuple(found))


def column_again(column: Feature, cells: pl.Series) -> Feature:
    """A column of other rows, under the numbering and scale that it was first read with."""
    if column.bag is not None:
        words = _numbers_of(column.bag) if column.words is None else column.words
        return replace(column, bag=_bag(cells, column.kind, words, column.mark))
    assert column.dense is not None
    if column.scale is not None:
        return replace(column, dense=_scaled(numbers_of(cells), column.scale))
    return replace(column, dense=_unit(vectors_of(cells, column.dense.shape[1])))


def vectors_of(cells: pl.Series, length: int = 0) -> Tensor:
    """Cells as ``(n, length)`` float32, from lists of numbers or texts of them; zero where there is none of the length.

    >>> vectors_of(pl.Series(["1 2", "", "[3, 4]"])).tolist()
    [[1.0, 2.0], [0.0, 0.0], [3.0, 4.0]]
    """
    rows = [_vector(cell) for cell in cells.to_list()]
    length = length or next((len(row) for row in rows if row), 0)
    return torch.tensor([row if len(row) == length else [0.0] * length for row in rows], dtype=torch.float32)


def _vector(cell: Any) -> list[float]:
    if cell is None:
        return []
    pieces = cell.strip("[]() ").replace(",", " ").replace(";", " ").split() if isinstance(cell, str) else list(cell)
    try:
        return [float(one) for one in pieces]
    except (TypeError, ValueError):
        return []


def _words(cells: pl.Series, kind: str, mark: str | None, least: int, most: int) -> pl.Series:
    """The values that have a column, the most frequent first."""
    if kind == "text":
        found = vocabulary((one or "" for one in values.texts(cells)), least, most)
        return pl.Series(found, dtype=pl.String)
    pieces = pl.Series([one for row in listed(cells, kind, mark) for one in row], dtype=pl.String)
    counts = pieces.alias("value").value_counts().filter(pl.col("count") >= least)
    return counts.sort(["count", "value"], descending=[True, False])["value"].head(most)


def _bag(cells: pl.Series, kind: str, words: pl.Series, mark: str | None) -> SparseFeatures:
    if kind == "text":
        return bags(values.texts(cells).fill_null(""), words.to_list())
    place = {word: at for at, word in enumerate(words)}
    rows = [sorted(place[one] for one in row if one in place) for row in listed(cells, kind, mark)]
    indptr = functional.pad(torch.tensor([len(row) for row in rows], dtype=torch.int64).cumsum(0), (1, 0))
    indices = torch.tensor([one for row in rows for one in row], dtype=torch.int32)
    return SparseFeatures(indptr, indices, torch.ones(indices.numel()), len(words))


def _numbers_of(bag: SparseFeatures) -> pl.Series:
    return pl.Series([str(one) for one in range(bag.n_cols)], dtype=pl.String)


def _scaled(found: pl.Series, scale: Tensor) -> Tensor:
    there = torch.from_numpy(found.is_not_null().to_numpy().copy())
    numbers = torch.from_numpy(found.fill_null(0.0).cast(pl.Float64).to_numpy().copy())
    standard = ((numbers - scale[0]) / scale[1]).clamp(-FURTHEST, FURTHEST)
    return torch.stack([torch.where(there, standard, 0.0), (~there).double()], 1).float()


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors, dim=1)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
