"""TransE: ``s(h, r, t) = -|h + r - t|``."""

from __future__ import annotations

from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.knowledge.base import ComposedModel, Regularisation


class TransE(ComposedModel):
    """A relation is a translation; the distance is L1 or L2. The margin is the loss's (``logistic``, ``hinge``).

    Differs from the paper: reciprocal relations, and entities are not put back onto the unit sphere.

    Args:
        query_heads: ``(n_queries,)`` int64 entity of each query.
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        n_items: Number of entities.
        dim: Length of a vector.
        norm: 1 or 2.
        regularisation: N3 and dropout.
        init: Standard deviation of the initial values.
        seed: Seed of the initial values.

    Raises:
        ConfigError: The norm is neither.

    Source: Bordes et al., Translating Embeddings for Modeling Multi-relational Data, NIPS 2013.
    """

    def __init__(
        self,
        query_heads: Tensor,
        query_relations: Tensor,
        n_items: int,
        dim: int = 256,
        norm: int = 1,
        regularisation: Regularisation = Regularisation(),
        init: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__(query_heads, query_relations, n_items, dim, regularisation, init=init, seed=seed)
        if norm not in (1, 2):
            raise ConfigError(f"norm is {norm}; TransE knows 1 and 2")
        self.kind = f"l{norm}"

    def compose(self, heads: Tensor, relations: Tensor) -> Tensor:
        return heads + relations
