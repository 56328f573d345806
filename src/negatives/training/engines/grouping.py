"""Rows of one query side by side: encoded and scored once, and summed again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives import kernels
from negatives.models.tower import TowerModel
from negatives.types import Negatives, shared_pool


@dataclass(slots=True)
class Encoded:
    """The tower's vectors of one batch: what the sampler sees as the model, so that a batch is encoded once.

    Args:
        model: The model.
        queries: ``(rows,)`` int64 queries of the batch.
        vectors: ``(distinct, width)`` detached vectors of its distinct neighbours.
        owner: ``(rows,)`` int64, the row of ``vectors`` that each query has.
    """

    model: TowerModel
    queries: Tensor
    vectors: Tensor
    owner: Tensor

    def encode_queries(self, queries: Tensor) -> Tensor:
        """Vectors ``(rows, width)``."""
        return self.vectors[self.owner] if queries is self.queries else self.model.encode_queries(queries)

    def encode_places(self, places: Tensor) -> Tensor:
        """Vectors ``(n, width)`` of rows by their place in the batch."""
        return self.vectors[self.owner[places]]

    def encode_items(self, items: Tensor) -> Tensor:
        """Vectors ``(..., width)``."""
        return self.model.encode_items(items)

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """Scores of pairs ``(rows,)``, of candidates per query ``(rows, k)`` or of a shared pool."""
        return self._score(self.owner, items) if queries is self.queries else self.model.score(queries, items)

    def score_places(self, places: Tensor, items: Tensor) -> Tensor:
        """As :meth:`score`, for rows by their place in the batch."""
        return self._score(self.owner[places], items)

    def _score(self, owner: Tensor, items: Tensor) -> Tensor:
        table, pool = self.model.item_table.detach(), shared_pool(items)
        if pool is None:
            pairs = items[:, None] if items.dim() == 1 else items
            scores = kernels.gather_scores(self.vectors, table, owner, pairs)
            return scores[:, 0] if items.dim() == 1 else scores
        scores = self.vectors @ table[pool].T
        return scores if owner is self.owner and owner.numel() == len(self.vectors) else scores[owner]


def grouped(queries: Tensor) -> tuple[Tensor, Tensor]:
    """Distinct neighbours ``(u,)`` of ``queries`` ``(rows,)``, and which of them each row is, ``(rows,)``.

    >>> grouped(torch.tensor([4, 4, 2, 4]))
    (tensor([4, 2, 4]), tensor([0, 0, 1, 2]))
    """
    distinct, owner = torch.unique_consecutive(queries, return_inverse=True)
    return (queries, owner) if distinct.numel() == queries.numel() else (distinct, owner)


def blocks(owner: Tensor, distinct: int, size: int, by_query: bool = False) -> list[tuple[slice, slice]]:
    """Ranges of distinct queries and of their rows.

    Args:
        owner: ``(n,)`` int64, ascending.
        distinct: Number of distinct queries.
        size: Rows of one block, or its queries with ``by_query``; one query may have more rows.
        by_query: What ``size`` counts.
    """
    starts = torch.searchsorted(owner, torch.arange(distinct + 1, device=owner.device)).tolist()
    found, first = [], 0
    for query in range(1, distinct + 1):
        last = query == distinct
        if last or (query - first >= size if by_query else starts[query + 1] - starts[first] > size):
            found.append((slice(first, query), slice(starts[first], starts[query])))
            first = query
    return found


def in_groups(negatives: Negatives, owner: Tensor, groups: int) -> Negatives | None:
    """The negatives of each group, if all rows of a group have the same and there are fewer groups than rows."""
    if groups == owner.numel() or negatives.weight is not None:
        return None
    first = torch.searchsorted(owner, torch.arange(groups, device=owner.device))

    def of_groups(part: Tensor | None) -> Tensor | None:
        if part is None:
            return None
        return part[:groups] if part.stride(0) == 0 else part[first]

    ok = of_groups(negatives.ok)
    assert ok is not None
    if negatives.ok.stride(0) != 0 and not torch.equal(ok[owner], negatives.ok):
        return None
    ids = negatives.ids[:groups]
    return Negatives(ids, of_groups(negatives.log_q), ok, positive_log_q=negatives.positive_log_q)


def summed_by(values: Tensor, owner: Tensor, n: int) -> Tensor:
    """Sums ``(n, d)`` of the rows of ``values`` ``(rows, d)`` that have one ``owner``."""
    if len(values) == n:
        return values
    return values.new_zeros(n, values.shape[1]).index_add_(0, owner, values)
