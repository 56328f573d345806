"""Matrix factorisation: one free vector per query and per item (Koren et al., 2009; Rendle et al., 2009).

``s(u, i) = <p_u, q_i>``, or their cosine. No bias terms: the popularity of an item shows in the length of its
vector, which the cosine leaves out on purpose.
"""

from __future__ import annotations

import torch
from torch import nn

from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream


class MatrixFactorization(TableModel):
    """Two tables whose rows the training loop updates directly.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        dim: Length of an embedding.
        similarity: ``"dot"`` or ``"cosine"``.
        init: Standard deviation of the initial values; None for ``1 / sqrt(dim)`` with cosine, 0.1 with dot.
        seed: Seed of the initial values.
    """

    def __init__(
        self,
        n_queries: int,
        n_items: int,
        dim: int = 64,
        similarity: str = "dot",
        init: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(n_queries, n_items, dim, similarity)
        scale = init if init is not None else (dim**-0.5 if similarity == "cosine" else 0.1)
        random = generator(stream(seed, Purpose.INIT))
        self.query_table = nn.Parameter(torch.empty(n_queries, dim).normal_(0, scale, generator=random))
        self.item_table = nn.Parameter(torch.empty(n_items, dim).normal_(0, scale, generator=random))
