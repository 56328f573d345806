"""What tables say of users and items: columns of five kinds, numbered and scaled once, and read alike ever after.

| kind | a cell holds | becomes |
|---|---|---|
| ``category`` | one of few values | one of as many columns of a bag |
| ``list`` | several such values | several columns of a bag |
| ``text`` | words | the columns of its words |
| ``number`` | a number | the number less the mean over the standard deviation, and whether it is missing |
| ``vector`` | numbers, as many in each cell | these numbers, at unit length |

In a bag the values of a row are weighted by rarity, ``tf (1 + log((1 + n) / (1 + df)))``, and scaled to unit length. A
value that the table never showed, as a question may bring it, is as if it were missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from negatives.data.bags import bags
from negatives.data.pairs import SparseFeatures
from negatives.data.readers import values

BAGS = ("category", "list", "text")
KINDS = (*BAGS, "number", "vector")
FURTHEST = 10.0
"""Standard deviations from the mean beyond which a number counts no more."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of a table of users or items.

    Args:
        name: Of the column.
        kind: One of :data:`KINDS`.
        bag: Of the kinds of :data:`BAGS`, how often each value stands in each row; else None.
        dense: ``(n_rows, 2)`` of a number, scaled, and 1 where it is missing; ``(n_rows, d)`` of a vector; else None.
        words: ``(n_cols,)`` value of each column of the bag, text; None where they are numbered alone.
        scale: ``(n_cols,)`` float32 weight of each column of the bag; ``(2,)`` mean and standard deviation of a number.
        mark: What stands between the values of a list that is written as a text; None for lists.
    """

    name: str
    kind: str
    bag: SparseFeatures | None = None
    dense: Tensor | None = None
    words: pl.Series | None = None
    scale: Tensor | None = None
    mark: str | None = None

    def pick(self, rows: Tensor) -> Feature:
        """Some rows ``(n,)`` int64; -1 for a row of which nothing is known."""
        there = rows.clamp(min=0)
        if self.bag is not None:
            bag = _padded(self.bag).pick(torch.where(rows < 0, self.bag.n_rows, rows))
            return replace(self, bag=bag)
        assert self.dense is not None
        nothing = torch.zeros(1, self.dense.shape[1])
        if self.kind == "number":
            nothing[0, 1] = 1.0
        return replace(self, dense=torch.where((rows < 0)[:, None], nothing, self.dense[there]))

    def read(self, cells: pl.Series) -> Feature:
        """The same column of other rows, under the numbering and scale of this one."""
        if self.kind in BAGS:
            words = _numbers_of(self.bag) if self.words is None else self.words
            return replace(self, bag=_bag(cells, self.kind, words, self.mark))
        if self.kind == "number":
            assert self.scale is not None
            return replace(self, dense=_scaled(numbers_of(cells), self.scale))
        assert self.dense is not None
        return replace(self, dense=_unit(vectors_of(cells, self.dense.shape[1])))

    @property
    def weighted(self) -> SparseFeatures | None:
        """The bag with weights for values, rows at unit length."""
        if self.bag is None or self.scale is None:
            return self.bag
        return replace(self.bag, values=self.bag.values * self.scale[self.bag.indices.long()]).unit()


@dataclass(frozen=True, slots=True)
class Features:
    """What is known of the users, or of the items, of some data.

    Args:
        n_rows: How many they are.
        columns: One for each column of the table that says something.
    """

    n_rows: int
    columns: tuple[Feature, ...] = ()

    @classmethod
    def of_bag(cls, bag: SparseFeatures, name: str = "words") -> Features:
        """Bags of numbered words, as content that comes with a format.

        >>> Features.of_bag(SparseFeatures(torch.tensor([0, 1]), torch.tensor([2]), torch.ones(1), 3)).n_cols
        3
        """
        return cls(bag.n_rows, (Feature(name, "text", bag, scale=bag.rarity()),))

    @property
    def n_cols(self) -> int:
        """Columns of all bags together."""
        return sum(one.bag.n_cols for one in self.columns if one.bag is not None)

    @property
    def width(self) -> int:
        """Columns of :meth:`dense`."""
        return sum(one.dense.shape[1] for one in self.columns if one.dense is not None)

    def pick(self, rows: Tensor) -> Features:
        """Some rows ``(n,)`` int64; -1 for a row of which nothing is known."""
        return Features(rows.numel(), tuple(one.pick(rows) for one in self.columns))

    def read(self, rows: Sequence[Mapping[str, Any]]) -> Features:
        """Other rows under the numbering and the scales of these, from their cells by column.

        >>> whole = Features(2, (feature(pl.Series("colour", ["red", "blue"]), "category"),))
        >>> [one.numel() for one in whole.read([{"colour": "blue"}, {"colour": "green"}]).sparse().row(1)]
        [0, 0]
        """
        found = []
        for column in self.columns:
            cells = pl.Series(column.name, [row.get(column.name) for row in rows], strict=False)
            found.append(column.read(cells))
        return Features(len(rows), tuple(found))

    def sparse(self) -> SparseFeatures:
        """All bags beside one another, weighted, each row at unit length ``(n_rows, n_cols)``."""
        owners, indices, numbers, first = [], [], [], 0
        for column in self.columns:
            if (bag := column.weighted) is None:
                continue
            owners.append(bag.owners)
            indices.append(bag.indices.long() + first)
            numbers.append(bag.values)
            first += bag.n_cols
        if not owners:
            none = torch.empty(0)
            return SparseFeatures(torch.zeros(self.n_rows + 1, dtype=torch.int64), none.int(), none, 0)
        rows, order = torch.cat(owners).sort(stable=True)
        indptr = functional.pad(torch.bincount(rows, minlength=self.n_rows).cumsum(0), (1, 0))
        whole = SparseFeatures(indptr, torch.cat(indices)[order].int(), torch.cat(numbers)[order], first)
        return whole.unit()

    def dense(self) -> Tensor:
        """All numbers and vectors beside one another, ``(n_rows, width)`` float32; numbers together weigh as one."""
        scale = max(1, sum(one.kind == "number" for one in self.columns)) ** -0.5
        parts = [
            one.dense * scale if one.kind == "number" else one.dense for one in self.columns if one.dense is not None
        ]
        return torch.cat(parts, 1) if parts else torch.empty(self.n_rows, 0)


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


def numbers_of(cells: pl.Series) -> pl.Series:
    """Cells as float64: numbers, yes and no, and times as seconds; null for all else."""
    if cells.dtype == pl.Boolean:
        return cells.cast(pl.Float64)
    if cells.dtype.is_temporal() or (cells.dtype == pl.String and values.looks_like_time(cells)):
        return values.times(cells, values.time_format(cells)[0], 1.0)
    found = values.numbers(cells)
    return found.set(~found.is_finite().fill_null(True), None)


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


def listed(cells: pl.Series, kind: str, mark: str | None) -> list[list[str]]:
    """The values of each cell of a category or a list."""
    if kind == "category":
        return [[] if one is None else [str(one)] for one in values.ids(cells)]
    if isinstance(cells.dtype, (pl.List, pl.Array)):
        return [list(dict.fromkeys(one.strip() for one in row)) for row in values.text_lists(cells)]
    text = values.trimmed(cells.cast(pl.String))
    pieces = [[] if one is None else one.strip("[]").split(mark) if mark else [one] for one in text]
    return [list(dict.fromkeys(one.strip().strip("'\"") for one in row if one.strip())) for row in pieces]


def _words(cells: pl.Series, kind: str, mark: str | None, least: int, most: int) -> pl.Series:
    """The values that have a column, the most frequent first."""
    from negatives.data.bags import vocabulary

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


def _numbers_of(bag: SparseFeatures | None) -> pl.Series:
    return pl.Series([str(one) for one in range(0 if bag is None else bag.n_cols)], dtype=pl.String)


def _padded(bag: SparseFeatures) -> SparseFeatures:
    """The same rows and an empty one behind them."""
    return replace(bag, indptr=torch.cat([bag.indptr, bag.indptr[-1:]]))


def _scaled(found: pl.Series, scale: Tensor) -> Tensor:
    there = torch.from_numpy(found.is_not_null().to_numpy().copy())
    numbers = torch.from_numpy(found.fill_null(0.0).cast(pl.Float64).to_numpy().copy())
    standard = ((numbers - scale[0]) / scale[1]).clamp(-FURTHEST, FURTHEST)
    return torch.stack([torch.where(there, standard, 0.0), (~there).double()], 1).float()


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors, dim=1)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0
