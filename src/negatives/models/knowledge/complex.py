"""ComplEx: ``s(h, r, t) = Re <h * r, conj(t)>``."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.models.knowledge.base import ComposedModel


class ComplEx(ComposedModel):
    """A trilinear product of complex vectors; real parts stand in the first half of a row, imaginary in the second.

    Args:
        query_heads: ``(n_queries,)`` int64 entity of each query.
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        n_items: Number of entities.
        dim: Length of a vector in complex numbers.
        regularisation: N3 and dropout.
        relation_weight: Weight of telling a triple's relation from all others (Chen et al., AKBC 2021).
        init: Standard deviation of the initial values.
        seed: Seed of the initial values.

    Source: Trouillon et al., Complex Embeddings for Simple Link Prediction, ICML 2016; with reciprocal relations and
    N3 after Lacroix et al., ICML 2018.
    """

    kind = "dot"
    parts = 2
    relation_parts = 2

    def compose(self, heads: Tensor, relations: Tensor) -> Tensor:
        (a, b), (c, d) = heads.chunk(2, -1), relations.chunk(2, -1)
        return torch.cat([a * c - b * d, a * d + b * c], -1)

    def relate(self, heads: Tensor, tails: Tensor) -> Tensor:
        (a, b), (e, f) = heads.chunk(2, -1), tails.chunk(2, -1)
        return torch.cat([a * e + b * f, a * f - b * e], -1)
