"""Free vectors of nodes, trained on walks: DeepWalk and node2vec.

A node has one vector as a centre and one as a context. Trained on pairs of nodes that walks visit near each other it
is DeepWalk (Perozzi et al., 2014), with biased walks node2vec (Grover and Leskovec, 2016).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream

LINKS = ("context", "centre")


class NodeVectors(TableModel):
    """Centre and context vectors.

    Args:
        n_items: Number of nodes; they are queries and items.
        dim: Length of a vector.
        similarity: ``"dot"`` or ``"cosine"``.
        link: What scores an edge: ``"context"``, ``<centre_u, context_v>`` as in training, or ``"centre"``,
            ``<centre_u, centre_v>``.
        init: Standard deviation of the initial centre vectors; contexts begin at a tenth of it. None for
            ``1 / sqrt(dim)`` with cosine, 0.1 with dot.
        seed: Seed of the initial values.

    Raises:
        ConfigError: ``link`` is not known.
    """

    feed = "walks"

    def __init__(
        self,
        n_items: int,
        dim: int = 128,
        similarity: str = "dot",
        link: str = "context",
        init: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(n_items, n_items, dim, similarity)
        if link not in LINKS:
            raise ConfigError(f"link is {link!r}; choose one of: {', '.join(LINKS)}")
        self.link = link
        scale = init if init is not None else (dim**-0.5 if similarity == "cosine" else 0.1)
        random = generator(stream(seed, Purpose.INIT))
        self.query_table = nn.Parameter(torch.empty(n_items, dim).normal_(0, scale, generator=random))
        self.item_table = nn.Parameter(torch.empty(n_items, dim).normal_(0, 0.1 * scale, generator=random))

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """The vectors that score an edge, each ``(n_items, dim)``."""
        centres, contexts = super().tables()
        return centres, centres if self.link == "centre" else contexts
