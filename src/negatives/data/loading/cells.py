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
from negatives.data.loading.kinds import listed
from negatives.data.loading.quantities import numbers_of, usual_length, vector
from negatives.data.readers import values
from negatives.data.sparse import SparseFeatures

FURTHEST = 10.0
"""Standard deviations from the mean beyond which a number counts no more."""
EDGE, FEW_NUMBERS = 0.01, 20
"""Share of the numbers at each end that does not tell how far they spread, one at least, and from how many on."""


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
        place: Length of a vector, 0 for that of most cells.

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
        scale = _scale_of(found)
        return Feature(cells.name, kind, dense=_scaled(found, scale), scale=scale)
    return Feature(cells.name, kind, dense=_unit(vectors_of(cells, place)))


def says_something(found: Feature) -> bool:
    """Whether a column tells any two of its rows apart."""
    if found.bag is None:
        dense = found.dense
        return dense is not None and bool((dense != dense[:1]).any())
    bag = found.bag
    alike = bag.n_cols == 1 and bag.indices.numel() == bag.n_rows and bool((bag.values == bag.values[:1]).all())
    return bag.n_cols > 0 and not alike


def described(found: Feature, cells: pl.Series) -> str:
    """What a column became, for a note, and how many of its cells hold nothing of that kind."""
    if found.bag is not None:
        return f"{found.name} {found.kind} of {found.bag.n_cols:,}"
    assert found.dense is not None
    there = cells if cells.dtype != pl.String else values.trimmed(cells)
    none = ~found.dense.bool().any(1) if found.kind == "vector" else found.dense[:, 1].bool()
    lost = cells.filter(pl.Series(none.numpy()) & there.is_not_null())
    width = "" if found.kind == "number" else f" of {found.dense.shape[1]:,}"
    if not len(lost):
        return f"{found.name} {found.kind}{width}"
    return f"{found.name} {found.kind}{width} (cells without one: {len(lost):,}, such as {str(lost[0])[:20]!r})"


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
    """Cells as ``(n, length)`` float32, from lists of numbers or texts of them, their largest number 1 or -1; zero
    where there is none of the length.

    >>> vectors_of(pl.Series(["1 2", "", "[3, 4]", "5"])).tolist()
    [[0.5, 1.0], [0.0, 0.0], [0.75, 1.0], [0.0, 0.0]]
    """
    rows = [vector(cell) for cell in cells.to_list()]
    length = length or usual_length(rows)[0]
    found = torch.tensor([row if len(row) == length else [0.0] * length for row in rows], dtype=torch.float64)
    return (found / found.abs().amax(1, keepdim=True).clamp(min=1e-300) if length else found).float()


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


def _scale_of(found: pl.Series) -> Tensor:
    """``(2,)`` float64 mean and standard deviation of numbers, of which the lowest and the highest hundredth count
    as those beside them, so that one that stands for "none" does not hide the others.
    """
    there = found.drop_nulls().sort()
    largest = _number(there.abs().max()) or 1.0
    there = there / largest  # squares of large numbers would not be finite
    cut = max(1, int(EDGE * len(there))) if len(there) >= FEW_NUMBERS else 0
    inner = there.clip(there[cut], there[-1 - cut]) if cut else there
    kept = inner if _number(inner.std(ddof=0)) else there
    mean, spread = _number(kept.mean()) * largest, _number(kept.std(ddof=0)) * largest
    return torch.tensor([mean, spread or 1.0], dtype=torch.float64)


def _scaled(found: pl.Series, scale: Tensor) -> Tensor:
    there = torch.from_numpy(found.is_not_null().to_numpy().copy())
    numbers = torch.from_numpy(found.fill_null(0.0).cast(pl.Float64).to_numpy().copy())
    standard = ((numbers - scale[0]) / scale[1]).clamp(-FURTHEST, FURTHEST)
    return torch.stack([torch.where(there, standard, 0.0), (~there).double()], 1).float()


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors, dim=1)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
