"""Every item alike that the training data says something about."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.static import StaticTable, check_counts, counts_from
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Seen(Proposal):
    """Draw every item with the same probability that is a positive somewhere in the training data, or a given negative.

    ``q(i) = 1/S`` over the ``S`` items seen, 0 over all others. An item of which training says nothing is missing, not
    wrong: where items have content, to call it wrong teaches that everything like it is wrong, and the right answers of
    tomorrow are among them.

    Source: data that is missing not at random, Schnabel et al., ICML 2016, "Recommendations as treatments"; they weigh
    what was observed by its propensity, here what never was is not drawn.

    Args:
        counts: ``(n_items,)`` counts, above zero for items seen; those of the training data when left out.

    Raises:
        ConfigError: On the first draw, when there are no counts, or they leave no item to draw.

    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> Seen(torch.tensor([1, 0, 3])).log_prob(torch.tensor([[0, 1, 2]]), context).exp().tolist()
    [[0.5, 0.0, 0.5]]
    """

    counts: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    _table: StaticTable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.counts is not None

    def bind(self, catalogue: Catalogue) -> None:
        """Take positives and given negatives from the training data, unless counts were given."""
        self.counts, self._table = counts_from(self.counts if self._given else None, catalogue, "seen"), None
        if not self._given and catalogue.given is not None:
            wrong = torch.bincount(catalogue.given.indices.to(torch.int64), minlength=catalogue.n_items)
            self.counts = self.counts + wrong

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return self._ready().draw(context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; -inf for items that were not seen."""
        return self._ready().mass.log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready().mass.log_allowed(context, exclude)

    def _ready(self) -> StaticTable:
        if self._table is None:
            if self.counts is None:
                raise ConfigError("seen has no counts; give counts=... or bind the sampler to the data")
            self._table = StaticTable.of((check_counts(self.counts, "seen") > 0).double(), "seen")
        return self._table
