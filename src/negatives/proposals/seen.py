"""Every item alike that the training data says something about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.proposals.counted import Counted
from negatives.types import Catalogue


@dataclass(slots=True)
class Seen(Counted):
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

    >>> from negatives.types import Context
    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> Seen(torch.tensor([1, 0, 3])).log_prob(torch.tensor([[0, 1, 2]]), context).exp().tolist()
    [[0.5, 0.0, 0.5]]
    """

    name: ClassVar[str] = "seen"

    def bind(self, catalogue: Catalogue) -> None:
        """Take positives and given negatives from the training data, unless counts were given."""
        Counted.bind(self, catalogue)
        if not self._given and self.counts is not None and catalogue.given is not None:
            wrong = torch.bincount(catalogue.given.indices.to(torch.int64), minlength=catalogue.n_items)
            self.counts = self.counts + wrong

    def weights(self, counts: Tensor) -> Tensor:
        """1 for items seen."""
        return (counts > 0).double()
