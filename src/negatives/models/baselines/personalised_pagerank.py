"""Personalised PageRank: where a random walk that keeps going home ends (Page et al., 1999; Haveliwala, 2002)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from negatives.data.histories import Histories
from negatives.errors import ConfigError
from negatives.models.baselines.base import CountedModel, Sizes
from negatives.models.propagation import Operator, bipartite
from negatives.types import Csr


class PersonalisedPagerank(CountedModel):
    """``p(u, v) = a sum over l <= L of (1 - a)^l (P^l)_uv`` with ``P = D^-1 A``; ``s`` is the mean of ``p`` both ways.

    The sum is cut after ``L`` steps. In a graph without directions ``p(v, u) = p(u, v) d_u / d_v``, so that both ways
    follow from the walks of one end.

    Args:
        graph: Neighbours of each node in the training part, in both directions.
        restart: ``a``, the chance that the walk goes home.
        steps: ``L``, after which the sum is cut.

    Raises:
        ConfigError: ``restart`` does not lie between 0 and 1, or ``steps`` is below 1.
    """

    grid: ClassVar[Mapping[str, tuple[float, ...]]] = {"restart": (0.15, 0.5, 0.05)}
    symmetric: ClassVar[bool] = True

    def __init__(self, graph: Csr, restart: float = 0.15, steps: int = 7) -> None:
        super().__init__(graph.n_rows, graph.n_cols)
        if not 0 < restart < 1 or steps < 1:
            raise ConfigError(
                f"restart is {restart} and steps {steps}; restart lies between 0 and 1, steps is at least 1"
            )
        self.restart, self.steps = restart, steps
        self.extend(graph)

    @classmethod
    def seconds(cls, sizes: Sizes) -> float:
        return 7 * (1e-9 * sizes.pairs + 1e-9 * sizes.n_items) * sizes.n_queries

    def extend(self, known: Csr) -> None:
        """Take ``known`` as the graph."""
        self._back: Operator = bipartite(known, 1.0, 0.0).transposed()
        self._degrees = known.lengths().clamp(min=1).float()

    def fold_in(self, histories: Histories) -> Tensor:
        """The scores ``(rows, n_items)``; walks leave a new node for its neighbours, and none lead to it."""
        known = histories.known()
        lengths, rows = known.lengths(), torch.arange(known.n_rows)
        owners = rows.repeat_interleave(lengths)
        mass = torch.zeros(self.n_items, known.n_rows)
        mass[known.indices.long(), owners] = self.restart * (1 - self.restart) / lengths[owners].float()
        return self._both_ways(mass, self.steps - 1, lengths.float())

    def score_all(self, queries: Tensor) -> Tensor:
        """See :meth:`Model.score_all`; ``(P^l)^T`` is applied to the unit vectors of the queries."""
        mass = torch.zeros(self.n_items, queries.numel(), device=queries.device)
        mass[queries, torch.arange(queries.numel())] = self.restart
        return self._both_ways(mass, self.steps, self._degrees[queries])

    def _both_ways(self, mass: Tensor, steps: int, degrees: Tensor) -> Tensor:
        """Scores ``(rows, n_items)`` after further steps.

        Args:
            mass: ``(n_items, rows)``, where the walks are so far.
            steps: How many are left.
            degrees: ``(rows,)`` of where they began.
        """
        total = mass.clone()
        for _ in range(steps):
            mass = (self._back @ mass).mul_(1 - self.restart)
            total += mass
        both = 1 + degrees / self._degrees[:, None]
        return total.mul_(both).mul_(0.5).T.contiguous()
