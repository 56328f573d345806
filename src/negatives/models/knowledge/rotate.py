"""RotatE: ``s(h, r, t) = -sum_c |h_c r_c - t_c|`` with ``|r_c| = 1``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from negatives.models.knowledge.base import ComposedModel, Regularisation


class RotatE(ComposedModel):
    """A relation turns each complex coordinate by an angle; the margin is the loss's (``logistic``).

    A relation's row holds angles. Differs from the paper: reciprocal relations in place of the one rotation that
    answers for heads and tails.

    Args:
        query_heads: ``(n_queries,)`` int64 entity of each query.
        query_relations: ``(n_queries,)`` int64 directed relation of each query.
        n_items: Number of entities.
        dim: Length of a vector in complex numbers.
        turn: Angle in radians that the number 1 in a relation's row stands for: how fast relations learn beside
            entities.
        regularisation: Dropout, and N3 of the entities alone, since all relations have length one.
        init: Standard deviation of the initial values of entities.
        seed: Seed of the initial values.

    Source: Sun et al., RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space, ICLR 2019.
    """

    kind = "modulus"
    parts = 2

    def __init__(
        self,
        query_heads: Tensor,
        query_relations: Tensor,
        n_items: int,
        dim: int = 128,
        turn: float = 10.0,
        regularisation: Regularisation = Regularisation(),
        init: float = 0.04,
        seed: int = 0,
    ) -> None:
        super().__init__(query_heads, query_relations, n_items, dim, regularisation, init=init, seed=seed)
        self.turn = turn
        self.relations.data /= turn

    def start_relations(self, shape: tuple[int, int], scale: float) -> Tensor:
        """Angles, uniform over the circle."""
        return torch.empty(shape).uniform_(-math.pi, math.pi, generator=self._random)

    def regulariser(self, heads: Tensor, relations: Tensor, tails: Tensor) -> Tensor | None:
        return super().regulariser(heads, relations[:, :0], tails)

    def compose(self, heads: Tensor, relations: Tensor) -> Tensor:
        angles = relations * self.turn
        (a, b), c, d = heads.chunk(2, -1), angles.cos(), angles.sin()
        return torch.cat([a * c - b * d, a * d + b * c], -1)
