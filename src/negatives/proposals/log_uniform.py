"""A Zipf-like distribution over frequency ranks."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.static import StaticTable, check_counts, counts_from
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class LogUniform(Proposal):
    """Draw items by frequency rank, the frequent ones more often: log-uniform in the rank.

    ``q(i) = log((r_i + 2) / (r_i + 1)) / log(N + 1)`` with ``r_i`` the rank of the item, 0 for the most
    frequent; equal counts are ranked by id. Ranks come from the counts, so ids need not be sorted.

    Source: Bengio and Senécal, 2008, "Adaptive importance sampling to accelerate training of a neural
    probabilistic language model"; the formula is that of TensorFlow's log-uniform candidate sampler.

    Args:
        counts: ``(n_items,)`` counts; those of the training data when left out.

    Raises:
        ConfigError: On the first draw, when there are no counts.

    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> LogUniform(torch.tensor([1, 9, 5])).log_prob(torch.tensor([[1, 2, 0]]), context).exp()
    tensor([[0.5000, 0.2925, 0.2075]])
    """

    counts: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _table: StaticTable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.counts is not None

    def bind(self, catalogue: Catalogue) -> None:
        """Take the counts from the training data, unless they were given."""
        self.counts = counts_from(self.counts if self._given else None, catalogue, "log_uniform")
        self._table = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return self._ready().draw(context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        return self._ready().mass.log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready().mass.log_allowed(context, exclude)

    def _ready(self) -> StaticTable:
        if self._table is None:
            if self.counts is None:
                raise ConfigError("log_uniform has no counts; give counts=... or bind the sampler to the data")
            counts = check_counts(self.counts, "log_uniform")
            rank = torch.empty(counts.numel(), dtype=torch.float64, device=counts.device)
            order = torch.argsort(counts, descending=True, stable=True)
            rank[order] = torch.arange(counts.numel(), dtype=torch.float64, device=counts.device)
            self._table = StaticTable.of(torch.log1p(1.0 / (rank + 1.0)), "log_uniform")
        return self._table
