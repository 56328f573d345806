"""Global vectors: the logarithm of co-occurrence, factorised."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.models.base import TableModel
from negatives.randomness import Purpose, generator, stream


class Glove(TableModel):
    """``s(i, j) = <w_i, c_j> + b_i + b'_j`` follows ``log x_ij`` with weight ``f(x) = min(1, (x / x_max)^power)``.

    The biases are columns of the tables: the last but one of the inputs beside ones in the outputs, and the other way
    round in the last. Cells that hold nothing, which GloVe leaves out, are sampled: where their score exceeds
    ``zero_target`` it is pulled down.

    Args:
        n_items: Size of the vocabulary; its words are queries and items.
        cell_counts: ``(n_cells,)`` float32 co-occurrence of each cell; cell ``i`` is also cell ``n_cells + i``, turned.
        dim: Length of a vector.
        x_max: Count from which all cells weigh the same.
        power: How the weight grows below.
        zero_target: ``log`` of the count that a zero cell stands for.
        seed: Seed of the initial values.

    Raises:
        ConfigError: ``x_max`` is not above 0.

    Source: Pennington et al., GloVe: Global Vectors for Word Representation, EMNLP 2014.
    """

    engine = "cells"
    feed = "cells"

    def __init__(
        self,
        n_items: int,
        cell_counts: Tensor,
        dim: int = 100,
        x_max: float = 10.0,
        power: float = 0.75,
        zero_target: float = -1.5,
        seed: int = 0,
    ) -> None:
        super().__init__(n_items, n_items, dim + 2, "dot")
        if not x_max > 0:
            raise ConfigError(f"x_max is {x_max}; it must be above 0")
        self.cell_counts, self.x_max, self.power, self.zero_target = cell_counts, x_max, power, zero_target
        random = generator(stream(seed, Purpose.INIT))
        tables = [torch.empty(n_items, dim + 2).uniform_(-0.5 / dim, 0.5 / dim, generator=random) for _ in range(2)]
        tables[0][:, -1] = tables[1][:, -2] = 1.0
        self.query_table, self.item_table = (nn.Parameter(table) for table in tables)

    def kept(self) -> dict[str, Any]:
        """The counts are needed to train alone."""
        return {**super().kept(), "cell_counts": torch.empty(0)}

    def targets(self, examples: Tensor) -> tuple[Tensor, Tensor]:
        """``log x`` and ``f(x)`` of the cells of a batch, ``(rows,)`` each."""
        counts = self.cell_counts[examples % self.cell_counts.numel()]
        return counts.log(), (counts / self.x_max).clamp(max=1.0).pow(self.power)

    @torch.no_grad()
    def vectors(self) -> dict[str, Tensor]:
        """``w + c`` and ``w - c`` without the biases, ``(n_items, dim)`` each: the sum is what GloVe uses."""
        left, right = self.query_table[:, :-2], self.item_table[:, :-2]
        return {"query": left + right, "item": left - right}
