"""LINE: free vectors of nodes, trained on edges (Tang et al., 2015).

First order: one vector per node, ``<u_i, u_j>``. Second order: a context vector beside it, ``<u_i, u'_j>``. The paper
trains both and puts them side by side; here they are two runs.
"""

from __future__ import annotations

import torch
from torch import nn

from negatives.errors import ConfigError
from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream


class Line(TableModel):
    """Vectors of first or second order.

    Args:
        n_items: Number of nodes; they are queries and items.
        dim: Length of a vector.
        similarity: ``"dot"`` or ``"cosine"``.
        order: 1 or 2.
        init: Standard deviation of the initial values.
        seed: Seed of the initial values.

    Raises:
        ConfigError: The order is neither 1 nor 2.
    """

    feed = "edges"

    def __init__(
        self,
        n_items: int,
        dim: int = 128,
        similarity: str = "dot",
        order: int = 2,
        init: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__(n_items, n_items, dim, similarity)
        if order not in (1, 2):
            raise ConfigError(f"line: order is {order}; it is 1 or 2")
        random = generator(stream(seed, Purpose.INIT))
        self.query_table = nn.Parameter(torch.empty(n_items, dim).normal_(0, init, generator=random))
        own = torch.empty(n_items, dim).normal_(0, 0.1 * init, generator=random)
        self.item_table = self.query_table if order == 1 else nn.Parameter(own)
