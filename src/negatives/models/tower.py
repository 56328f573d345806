"""What models of a query tower and a table of free item vectors have in common."""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor, nn

from negatives import kernels
from negatives.models.answers import Answers, answers_of_encoder
from negatives.models.base import Model
from negatives.models.dropout import Among, kept, mask_of
from negatives.models.steps import TowerSteps
from negatives.randomness import Purpose, generator, stream
from negatives.types import Context, shared_pool


class TowerModel(Model, ABC):
    """Any module encodes the query; items are rows of a table: ``s(q, i) = <f(q), w_i> + b_i``.

    The bias is the last column of the table, which meets the constant 1 at the end of the query's vector. So every
    score is one inner product, and the tables that a run exports rank as the model does.

    Args:
        n_queries: Number of queries.
        n_items: Number of items.
        dim: Length of the tower's vectors.
        bias: Add ``b_i``.
        item_init: Standard deviation of the initial ``w_i``; biases begin at zero.
        steps: Step sizes of tables, and clipping.
        seed: Seed of the initial values and of dropout.
    """

    engine = "tower"

    def __init__(
        self,
        n_queries: int,
        n_items: int,
        dim: int,
        bias: bool = True,
        item_init: float = 0.0,
        steps: TowerSteps = TowerSteps(),
        seed: int = 0,
    ) -> None:
        super().__init__(n_queries, n_items, dim)
        self.bias, self.seed = bias, seed
        self.table_steps = steps
        self.item_table = nn.Parameter(torch.zeros(n_items, dim + bias))
        if item_init:
            random = generator(stream(seed, Purpose.INIT, 1))
            self.item_table.data[:, :dim].normal_(0, item_init, generator=random)
        self._context: Context | None = None

    def refresh(self, context: Context | None = None) -> None:
        """Remember the batch, on which dropout depends; None switches it off."""
        self._context = context

    def answers(self) -> Answers:
        """Queries are encoded when they are asked for."""
        self.refresh()
        return answers_of_encoder(self, self.item_table)

    def encode_items(self, items: Tensor) -> Tensor:
        return self.item_table[items]

    def score(self, queries: Tensor, items: Tensor) -> Tensor:
        """As :meth:`Model.score`; without gradients, candidates per query are scored by a kernel."""
        if torch.is_grad_enabled() or items.dim() == 1 or shared_pool(items) is not None:
            return Model.score(self, queries, items)
        rows = torch.arange(queries.numel(), device=queries.device)
        return kernels.gather_scores(self.encode_queries(queries), self.item_table, rows, items)

    def vectors(self) -> dict[str, Tensor]:
        """``item``: the table, with the bias in the last column."""
        return {"item": self.item_table.detach()}

    def with_one(self, vectors: Tensor) -> Tensor:
        """The tower's vectors ``(rows, dim)`` with the 1 that the bias needs, ``(rows, dim + 1)``."""
        if not self.bias:
            return vectors
        return torch.cat([vectors, torch.ones_like(vectors[:, :1])], 1)

    def dropped(self, values: Tensor, share: float, place: int = 0, among: Among | None = None) -> Tensor:
        """Zero a share of the values in training and scale up the others; the mask depends on step and place alone.

        Args:
            values: Of any shape.
            share: Share of them.
            place: Number of the part that asks.
            among: Which rows of a step the values are, where :meth:`encode_part` encodes no others.
        """
        random = mask_of(self.seed, self._context, place, values.device)
        if random is None or share == 0.0:
            return values
        return values * kept(values, share, random, among).div_(1.0 - share)
