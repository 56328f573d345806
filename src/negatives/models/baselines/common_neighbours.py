"""Common neighbours: two nodes are linked who have the same friends (Liben-Nowell and Kleinberg, 2003)."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from negatives.data.histories import Histories
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.baselines.sparse import Matrix, dense_rows, matrix_of_sets
from negatives.types import Csr

Weight = Callable[[Tensor], Tensor]


class SharedNeighbours(CountedModel, ABC):
    """``s(u, v) = sum over z in N_u and N_v of w(d_z)``, ``d_z`` the number of neighbours of ``z``.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
        weight: ``w`` of degrees ``(n,)`` float64.
    """

    symmetric: ClassVar[bool] = True

    def __init__(self, graph: Csr, weight: Weight) -> None:
        super().__init__(graph.n_rows, graph.n_cols)
        self._weight = weight
        self.extend(graph)

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 3e-8 * sizes.squares + 1e-8 * sizes.n_queries * sizes.n_items

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the graph."""
        self._graph: Matrix = matrix_of_sets(known)
        weights = self._weight(known.lengths().double()).float().numpy()
        self._weighted: Matrix = self._graph.multiply(weights[:, None]).tocsr()

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``; the degrees of the others stay."""
        return dense_rows(matrix_of_sets(histories.known()), torch.arange(histories.n_queries), self._weighted)

    def score_all(self, queries: Tensor) -> Tensor:
        return dense_rows(self._graph, queries, self._weighted)


class CommonNeighbours(SharedNeighbours):
    """``s(u, v) = |N_u and N_v|``.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
    """

    def __init__(self, graph: Csr) -> None:
        super().__init__(graph, torch.ones_like)
