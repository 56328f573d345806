"""What each query has gone with, in the order of time: the input of models of sequences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import InputError
from negatives.types import Csr, within


@dataclass(frozen=True, slots=True)
class Histories:
    """Items of each query, the oldest first; an item may come more than once.

    A place ``p`` is an index into ``items``. Its history is all that stands before it in its query's row.

    Args:
        indptr: ``(n_queries + 1,)`` int64, start of each query in ``items``.
        items: ``(n,)`` int64 item ids.
        n_items: Number of items.
    """

    indptr: Tensor
    items: Tensor
    n_items: int

    @property
    def n_queries(self) -> int:
        return self.indptr.numel() - 1

    def __len__(self) -> int:
        return self.items.numel()

    def row(self, query: int) -> Tensor:
        """Items of one query ``(n,)`` int64, the oldest first."""
        return self.items[int(self.indptr[query]) : int(self.indptr[query + 1])]

    def lengths(self) -> Tensor:
        """Number of items of each query, ``(n_queries,)`` int64."""
        return self.indptr[1:] - self.indptr[:-1]

    def owners(self) -> Tensor:
        """Query of each place, ``(n,)`` int64."""
        return torch.repeat_interleave(self.lengths())

    def known(self) -> Csr:
        """The items of each query as a set.

        >>> Histories.of_rows([[3, 1, 3]], 4).known().row(0).tolist()
        [1, 3]
        """
        return Csr.from_pairs(self.owners(), self.items, self.n_queries, self.n_items)

    def last(self, queries: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """The most recent items of some queries.

        Args:
            queries: ``(rows,)`` int64.
            length: Items of each row at most.

        Returns:
            Items ``(rows, length)`` int64, the most recent one in the last column, and bool ``(rows, length)``, where
            there is one; 0 where there is none.
        """
        return self.before(self.indptr[queries + 1], queries, length)

    def before(self, places: Tensor, queries: Tensor, length: int) -> tuple[Tensor, Tensor]:
        """As :meth:`last`, of what stands before each place ``(rows,)`` in the row of its query.

        >>> items, there = Histories.of_rows([[5, 6, 7]], 8).before(torch.tensor([2]), torch.tensor([0]), 3)
        >>> items.tolist(), there.tolist()
        ([[0, 5, 6]], [[False, True, True]])
        """
        at = places[:, None] - torch.arange(length, 0, -1, device=places.device)
        there = at >= self.indptr[queries][:, None]
        found = torch.zeros_like(at)
        found[there] = self.items[at[there]]
        return found, there

    def to(self, device: torch.device | str) -> Histories:
        """The same on another device."""
        return Histories(self.indptr.to(device), self.items.to(device), self.n_items)

    @staticmethod
    def of_rows(rows: Sequence[Sequence[int]], n_items: int) -> Histories:
        """From lists of item ids, one list for each query.

        Raises:
            InputError: An item is out of range.
        """
        lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
        items = torch.tensor([item for row in rows for item in row], dtype=torch.int64)
        within("item", items, n_items)
        return Histories(torch.nn.functional.pad(lengths.cumsum(0), (1, 0)), items, n_items)

    @staticmethod
    def of_pairs(queries: Tensor, items: Tensor, times: Tensor, n_queries: int, n_items: int) -> Histories:
        """From pairs ``(n,)`` with their times; of equal times, the order of the pairs stays.

        Raises:
            InputError: The columns differ in length, or an id is out of range.

        >>> one = torch.zeros(3, dtype=torch.int64)
        >>> Histories.of_pairs(one, torch.tensor([4, 5, 6]), torch.tensor([2.0, 1.0, 2.0]), 1, 7).row(0).tolist()
        [5, 4, 6]
        """
        if not queries.numel() == items.numel() == times.numel():
            raise InputError(
                f"{queries.numel()} queries, {items.numel()} items and {times.numel()} times; give as many"
            )
        within("query", queries, n_queries)
        within("item", items, n_items)
        order = torch.argsort(times, stable=True)
        order = order[torch.argsort(queries[order], stable=True)]
        counts = torch.bincount(queries, minlength=n_queries)
        return Histories(torch.nn.functional.pad(counts.cumsum(0), (1, 0)), items[order].to(torch.int64), n_items)
