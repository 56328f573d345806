"""Adamic-Adar: common neighbours, those with few links of their own first (Adamic and Adar, 2003)."""

from __future__ import annotations

from torch import Tensor

from negatives.models.baselines.common_neighbours import SharedNeighbours
from negatives.types import Csr


class AdamicAdar(SharedNeighbours):
    """``s(u, v) = sum over z in N_u and N_v of 1 / log d_z``; a neighbour of both has at least two links.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
    """

    def __init__(self, graph: Csr) -> None:
        super().__init__(graph, _rare)


def _rare(degrees: Tensor) -> Tensor:
    return 1.0 / degrees.clamp(min=2.0).log()
