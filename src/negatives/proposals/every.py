"""All items at once: the exact sum in place of a sample, where items are few."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.proposals.base import Proposal
from negatives.proposals.uniform import Uniform
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Every(Proposal):
    """A pool of all items, each once and in order, whatever size was asked for; draws per row are uniform.

    Each item's ``log_q`` is ``-log n``, with which the estimate ``(1/k) sum_j f(i_j) / q(i_j)`` over the ``k = n``
    items is the exact sum. So a sampled softmax becomes the full softmax, and the logistic loss one-vs-all.

    Args:
        n_items: Number of items; taken from the data when left out.

    Raises:
        ConfigError: The number of items is not known at the first draw.

    >>> Every(3).pool(Context(*[torch.tensor([0])] * 3), 1, 0)[0]
    tensor([0, 1, 2])
    """

    n_items: int | None = None
    _uniform: Uniform = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._uniform = Uniform(self.n_items)

    def bind(self, catalogue: Catalogue) -> None:
        """Take the number of items from the data, unless it was given."""
        self._uniform.bind(catalogue)
        self.n_items = self._uniform.n_items

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`; uniform."""
        return self._uniform.draw(context, k, key, exclude)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`; all items, whatever ``k``."""
        ids = torch.arange(self._uniform.known_size(), device=context.device)
        return ids, self.log_prob(ids, context)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`."""
        return self._uniform.log_prob(ids, context)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._uniform.log_allowed(context, exclude)
