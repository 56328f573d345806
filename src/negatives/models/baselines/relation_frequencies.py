"""Relation frequencies: the entities that stood most often at this end of the relation."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.models.baselines.base import CountedModel
from negatives.types import Csr


class RelationFrequencies(CountedModel):
    """``s((h, r), t) = n(r, t) + n(t) / (1 + sum n)``: how often ``r`` led to ``t``; equal ones by the global count.

    Reciprocal relations count heads. It looks at no head at all, so that it measures what a graph gives away by its
    relations alone (compare Rosso et al., 2020). A relation that training never shows is answered by global counts.

    Args:
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        known: Known pairs of the training part.
        counts: ``(n_items,)`` how often each entity is a positive.
    """

    table: Tensor
    query_relations: Tensor

    def __init__(self, query_relations: Tensor, known: Csr, counts: Tensor) -> None:
        super().__init__(query_relations.numel(), known.n_cols)
        relations = int(query_relations.max()) + 1 if query_relations.numel() else 0
        owners = query_relations.repeat_interleave(known.lengths())
        table = torch.zeros(relations, known.n_cols)
        table.index_put_((owners, known.indices.long()), torch.ones(known.nnz), accumulate=True)
        self.register_buffer("table", table + (counts.double() / (1 + counts.sum())).float(), persistent=False)
        self.register_buffer("query_relations", query_relations, persistent=False)

    def score_all(self, queries: Tensor) -> Tensor:
        return self.table[self.query_relations[queries]]

    def score_pairs(self, entities: Tensor, relations: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` of entities, which do not matter, and directed relations with all entities."""
        return self.table[relations]

    def score_triples(self, entities: Tensor, relations: Tensor, items: Tensor) -> Tensor:
        """The same with one entity each, ``(rows,)``."""
        return self.table[relations, items]
