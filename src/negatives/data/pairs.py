"""Pairs of a query and an item with their parts, names and content: what a ranking task trains and tests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import polars as pl
import torch
from torch import Tensor

from negatives.data.histories import Histories
from negatives.data.sparse import SparseFeatures as SparseFeatures
from negatives.errors import InputError
from negatives.kernels import move_up_
from negatives.types import Catalogue, Csr

if TYPE_CHECKING:
    from negatives.data.features import Features


@dataclass(frozen=True, slots=True)
class Rows:
    """Columns of one length, one tensor each, or None for a column that the data has not."""

    def __len__(self) -> int:
        return len(self._columns()[0])

    def pick(self, where: Tensor) -> Self:
        """The rows chosen by a boolean mask ``(n,)`` or by positions."""
        return type(self)(*(None if column is None else column[where] for column in self._columns()))

    def part_off(self, held: Tensor) -> tuple[Self, Self]:
        """The rows chosen by a mask ``(n,)``, and the others, which move up in the memory of all.

        The rows are used up by it: what they held is overwritten, so that large data need not stand in memory twice.

        >>> rows = Pairs(torch.tensor([0, 1, 2]), torch.tensor([5, 6, 7]))
        >>> held, rest = rows.part_off(torch.tensor([True, False, False]))
        >>> held.items.tolist(), rest.items.tolist()
        ([5], [6, 7])
        """
        columns, kept = self._columns(), ~held
        off = [None if column is None else torch.from_numpy(column.numpy()[held.numpy()]) for column in columns]
        rest = [None if column is None else move_up_(column, kept) for column in columns]
        return type(self)(*off), type(self)(*rest)

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The rows of several parts, one part after another.

        >>> Pairs.joined([Pairs(torch.tensor([0]), torch.tensor([1])), Pairs(torch.tensor([2]), torch.tensor([3]))])
        Pairs(queries=tensor([0, 2]), items=tensor([1, 3]), times=None, weights=None, groups=None)
        """
        columns = zip(*(part._columns() for part in parts), strict=True)
        return cls(*(None if any(one is None for one in column) else torch.cat(column) for column in columns))

    @classmethod
    def empty(cls) -> Self:
        """No row at all."""
        return cls(*(torch.empty(0, dtype=torch.int64) for _ in fields(cls)))

    def _columns(self) -> list[Any]:
        return [getattr(self, one.name) for one in fields(self)]


@dataclass(frozen=True, slots=True)
class Pairs(Rows):
    """Positive pairs of one part.

    Args:
        queries: ``(n,)`` int64 query ids.
        items: ``(n,)`` int64 item ids.
        times: ``(n,)`` float64, seconds or any other unit that grows, or None.
        weights: ``(n,)`` float64, above zero: how much each pair counts in training, or None for equal weights.
        groups: ``(n,)`` int64, what stays together when the pairs are divided: a session, a basket; or None.
    """

    queries: Tensor
    items: Tensor
    times: Tensor | None = None
    weights: Tensor | None = None
    groups: Tensor | None = None


PARTS = ("train", "canaries", "valid", "test")
"""The parts, in the order in which what stands in them came."""


@dataclass(frozen=True, slots=True)
class PairData:
    """A data set for ranking: the parts share one numbering of queries and items.

    Args:
        name: Short name of the data, for reports.
        train: What the model learns from; every query has a pair here, or features.
        valid: Watched to stop training and to choose presets.
        test: Looked at once, at the end.
        canaries: Known positives hidden from the model and the guards, to estimate false negatives.
        query_names: Name of each query, text.
        item_names: Name of each item, text.
        features: What is known of the items, one row per item, or None.
        notes: What was read and how, one line each; nothing is dropped without a line.
        query_features: What is known of the queries, one row per query, or None.
        given: Items that each query is known not to go with: shown and not taken, or disliked; None where nobody said.
        ordered: Whether the pairs of each query stand in the order in which they came, part after part; the same pair
            may then come again.
    """

    name: str
    train: Pairs
    valid: Pairs
    test: Pairs
    canaries: Pairs
    query_names: pl.Series
    item_names: pl.Series
    features: Features | None = None
    notes: tuple[str, ...] = ()
    query_features: Features | None = None
    given: Csr | None = None
    ordered: bool = False

    @property
    def n_queries(self) -> int:
        return len(self.query_names)

    @property
    def n_items(self) -> int:
        return len(self.item_names)

    def part(self, name: str) -> Pairs:
        """One of ``train``, ``valid``, ``test`` and ``canaries`` by its name."""
        return {"train": self.train, "valid": self.valid, "test": self.test, "canaries": self.canaries}[name]

    def known(self, parts: Iterable[str] = ("train",)) -> Csr:
        """Items of each query in the named parts."""
        chosen = Pairs.joined(self.part(name) for name in parts)
        return Csr.from_pairs(chosen.queries, chosen.items, self.n_queries, self.n_items)

    @property
    def in_order(self) -> bool:
        """Whether it is known in which order the pairs of a query came."""
        return self.ordered or all(self.part(name).times is not None for name in PARTS)

    def histories(self, parts: Iterable[str] = ("train",)) -> Histories:
        """Items of each query in the named parts, the oldest first, the parts one after another unless times say more.

        Raises:
            InputError: The order is not known.
        """
        if not self.in_order:
            raise InputError("pairs have no times and no order", hint="name their column with --columns time=...")
        wanted = set(parts)
        chosen = Pairs.joined(self.part(name) for name in PARTS if name in wanted)
        times = torch.zeros(len(chosen)) if chosen.times is None else chosen.times
        return Histories.of_pairs(chosen.queries, chosen.items, times, self.n_queries, self.n_items)

    def counts(self) -> Tensor:
        """How often each item is a positive in the training part, ``(n_items,)`` int64."""
        return torch.bincount(self.train.items, minlength=self.n_items)

    def catalogue(self) -> Catalogue:
        """What the parts of a sampler may know: the training part and nothing else."""
        return Catalogue(self.n_queries, self.n_items, self.counts(), self.known(), given=self.given)

    def cold_items(self) -> Tensor:
        """``(n_items,)`` bool, True for items without a pair in the training part."""
        return self.counts() == 0
