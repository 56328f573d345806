"""Items in proportion to a power of how often they are positives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from torch import Tensor

from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.static import StaticTable, check_counts, counts_from
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Popularity(Proposal):
    """Draw items in proportion to ``(count + smoothing)^alpha``.

    ``q(i) = (c_i + smoothing)^alpha / sum_j (c_j + smoothing)^alpha``. With ``alpha`` 0.75 it is the noise
    distribution of word2vec; 0 is uniform over the items of positive base; a negative ``alpha`` prefers rare
    items. An item with ``count + smoothing = 0`` has weight zero, whatever ``alpha``, and is never drawn;
    give ``smoothing`` a positive value to reach it.

    Source: Mikolov et al., 2013, "Distributed representations of words and phrases"; negative powers from
    Caselles-Dupré et al., 2018, "Word2vec applied to recommendation: hyperparameters matter".

    Args:
        counts: ``(n_items,)`` counts; those of the training data when left out.
        alpha: The power of the counts.
        smoothing: Added to every count.

    Raises:
        ConfigError: On the first draw, when there are no counts, or they leave no item to draw.

    >>> import torch
    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> Popularity(torch.tensor([1, 3]), alpha=1.0).log_prob(torch.tensor([[0, 1]]), context).exp().tolist()
    [[0.25, 0.75]]
    """

    tunable: ClassVar[Mapping[str, Range]] = {"alpha": Range(0.0, 1.25, log=False)}
    counts: Tensor | None = None
    _given: bool = field(init=False, repr=False, compare=False)
    alpha: float = 0.75
    smoothing: float = 0.0
    _table: StaticTable | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._given = self.counts is not None

    def bind(self, catalogue: Catalogue) -> None:
        """Take the counts from the training data, unless they were given."""
        self.counts = counts_from(self.counts if self._given else None, catalogue, "popularity")
        self._table = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        return self._ready().draw(context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; -inf for items of weight zero."""
        return self._ready().mass.log_prob(ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        return self._ready().mass.log_allowed(context, exclude)

    def _ready(self) -> StaticTable:
        if self._table is None:
            if self.counts is None:
                raise ConfigError("popularity has no counts; give counts=... or bind the sampler to the data")
            weights = power_weights(self.counts, self.alpha, self.smoothing, "popularity")
            self._table = StaticTable.of(weights, "popularity")
        return self._table


def power_weights(counts: Tensor, alpha: float, smoothing: float, name: str) -> Tensor:
    """``(count + smoothing)^alpha`` float64, and zero where the base is zero.

    Raises:
        ConfigError: A count or the smoothing is negative or not finite.
    """
    if not smoothing >= 0:
        raise ConfigError(f"{name}: smoothing must be at least 0, not {smoothing}")
    base = check_counts(counts, name).double() + smoothing
    return base.pow(alpha).masked_fill(base == 0, 0.0)
