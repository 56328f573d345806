"""A Zipf-like distribution over frequency ranks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.proposals.counted import Counted


@dataclass(slots=True)
class LogUniform(Counted):
    """Draw items by frequency rank, the frequent ones more often: log-uniform in the rank.

    ``q(i) = log((r_i + 2) / (r_i + 1)) / log(N + 1)`` with ``r_i`` the rank of the item, 0 for the most
    frequent; equal counts are ranked by id. Ranks come from the counts, so ids need not be sorted.

    Source: Bengio and Senécal, 2008, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model"; the formula is that of TensorFlow's log-uniform candidate sampler.

    Args:
        counts: ``(n_items,)`` counts; those of the training data when left out.

    Raises:
        ConfigError: On the first draw, when there are no counts.

    >>> from negatives.types import Context
    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> LogUniform(torch.tensor([1, 9, 5])).log_prob(torch.tensor([[1, 2, 0]]), context).exp()
    tensor([[0.5000, 0.2925, 0.2075]])
    """

    name: ClassVar[str] = "log_uniform"

    def weights(self, counts: Tensor) -> Tensor:
        """``log((r + 2) / (r + 1))`` of the frequency ranks ``r``."""
        rank = torch.empty(counts.numel(), dtype=torch.float64, device=counts.device)
        order = torch.argsort(counts, descending=True, stable=True)
        rank[order] = torch.arange(counts.numel(), dtype=torch.float64, device=counts.device)
        return torch.log1p(1.0 / (rank + 1.0))
