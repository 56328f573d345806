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

from dataclasses import dataclass, replace

import polars as pl
import torch
from torch import Tensor
from torch.nn import functional

from negatives.data.sparse import SparseFeatures


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


def _padded(bag: SparseFeatures) -> SparseFeatures:
    """The same rows and an empty one behind them."""
    return replace(bag, indptr=torch.cat([bag.indptr, bag.indptr[-1:]]))
