"""DistMult: ``s(h, r, t) = <h * r, t>``."""

from __future__ import annotations

from torch import Tensor

from negatives.models.knowledge.base import ComposedModel, Regularisation


class DistMult(ComposedModel):
    """A trilinear product of real vectors.

    Differs from the paper: reciprocal relations, so that heads and tails are asked for apart.

    Args:
        query_heads: ``(n_queries,)`` int64 entity of each query.
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        n_items: Number of entities.
        dim: Length of a vector.
        regularisation: N3 and dropout.
        relation_weight: Weight of telling a triple's relation from all others (Chen et al., AKBC 2021).
        init: Standard deviation of the initial values.
        seed: Seed of the initial values.

    Source: Yang et al., Embedding Entities and Relations for Learning and Inference in Knowledge Bases, ICLR 2015.
    """

    kind = "dot"

    def __init__(
        self,
        query_heads: Tensor,
        query_relations: Tensor,
        n_items: int,
        dim: int = 256,
        regularisation: Regularisation = Regularisation(),
        relation_weight: float = 0.0,
        init: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(query_heads, query_relations, n_items, dim, regularisation, relation_weight, init, seed)

    def compose(self, heads: Tensor, relations: Tensor) -> Tensor:
        return heads * relations

    def relate(self, heads: Tensor, tails: Tensor) -> Tensor:
        return heads * tails
