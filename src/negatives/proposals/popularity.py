"""Items in proportion to a power of how often they are positives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.counted import Counted
from negatives.proposals.static import check_counts


@dataclass(slots=True)
class Popularity(Counted):
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
    >>> from negatives.types import Context
    >>> context = Context(torch.tensor([0]), torch.tensor([0]), torch.tensor([0]))
    >>> Popularity(torch.tensor([1, 3]), alpha=1.0).log_prob(torch.tensor([[0, 1]]), context).exp().tolist()
    [[0.25, 0.75]]
    """

    tunable: ClassVar[Mapping[str, Range]] = {"alpha": Range(0.0, 1.25, log=False)}
    name: ClassVar[str] = "popularity"
    alpha: float = 0.75
    smoothing: float = 0.0

    def weights(self, counts: Tensor) -> Tensor:
        """``(count + smoothing)^alpha``."""
        return power_weights(counts, self.alpha, self.smoothing, self.name)


def power_weights(counts: Tensor, alpha: float, smoothing: float, name: str) -> Tensor:
    """``(count + smoothing)^alpha`` float64, and zero where the base is zero.

    Raises:
        ConfigError: A count or the smoothing is negative or not finite.
    """
    if not smoothing >= 0:
        raise ConfigError(f"{name}: smoothing must be at least 0, not {smoothing}")
    base = check_counts(counts, name).double() + smoothing
    return base.pow(alpha).masked_fill(base == 0, 0.0)
