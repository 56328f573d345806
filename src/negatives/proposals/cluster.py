"""A cluster near the query, then an item of it: a cheap stand-in for the softmax over all items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.proposals.base import Proposal
from negatives.proposals.cluster_index import ClusterIndex
from negatives.proposals.two_level import draw_two_level, two_level_log_allowed, two_level_log_prob
from negatives.types import Catalogue, Context, Csr, Scorer, State


@dataclass(slots=True)
class Cluster(Proposal):
    """Draw a cluster by a softmax over its centre's score for the query, then an item of the cluster.

    ``q(i | u) = p(c | u) w_i / sum_(j in c) w_j`` with ``p(c | u)`` proportional to ``|c|^s exp(x_u . m_c / T)``,
    where ``c`` is the cluster of ``i``, ``m_c`` its mean vector, and ``w`` equal or one plus the training count. With
    ``s = 1`` and ``T = 1`` that is the model's softmax with every item's vector replaced by its cluster's mean.
    Every item has a chance.

    Clusters are found anew every so many steps, so they lag behind the model by at most so many; the query's vector
    is that of the step. A query outside the batch last seen has no vector: all clusters score the same for it.
    Models that do not score by a product of vectors are served too, but less aptly.

    A draw costs ``O(n_clusters (d + 1) + k log n_items)`` for each row, a refresh what
    :func:`negatives.proposals.clusters.k_means` or ``bisect`` costs.

    Differs from the paper: clusters are found anew in the training step, and known positives are left out exactly.

    Source: Lian, Liu and Chen, WWW 2020, "Personalized ranking with importance sampling" (PRIS).

    Args:
        clusters: Number of clusters; the root of the number of items when None.
        temperature: ``T``.
        by_size: ``s = 1`` rather than 0: a cluster's chance grows with its number of items.
        within: ``uniform`` or ``counts``: how items of one cluster are weighed.
        balanced: Clusters of equal size, a power of two of them.
        every: Steps from one clustering to the next; the first are at the steps 0, 1, 4, 16, 64 and so on.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    clusters: int | None = None
    temperature: float = 1.0
    by_size: bool = True
    within: Literal["uniform", "counts"] = "uniform"
    balanced: bool = False
    every: int = 500
    _index: ClusterIndex = field(init=False, repr=False)
    _of: Tensor | None = field(default=None, init=False, repr=False)
    _chance: Tensor = field(default_factory=lambda: torch.empty(0), init=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"cluster: temperature is {self.temperature}; it must be above 0 and finite")
        if self.within not in ("uniform", "counts"):
            raise ConfigError(f"cluster: within is {self.within!r}; choose uniform or counts")
        self._index = ClusterIndex("cluster", self.clusters, self.every, self.balanced, self.within == "counts")

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Lay items out by their number until a model is seen."""
        self._index.bind(catalogue)
        self._of = None

    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the clusters anew when it is time, and take the vectors of the batch."""
        self._index.refresh(context, scorer)
        self._of = None

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        chance = self._chances(context)
        return draw_two_level(self._index.now(context.device), chance, context, k, key, exclude)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the clusters as they stand."""
        chance = self._chances(context)
        return two_level_log_prob(self._index.now(context.device), chance, ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        chance = self._chances(context)
        return two_level_log_allowed(self._index.now(context.device), chance, context, exclude)

    def state(self) -> State:
        """The clusters."""
        return self._index.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._index.load_state(state)
        self._of = None

    def _chances(self, context: Context) -> Tensor:
        """``(rows, n)`` float64 chance of each cluster; that of the last batch is remembered."""
        if self._of is not context.queries:
            sizes = self._index.now(context.device).sizes()
            logits = self._index.scores(context)[0].double() / self.temperature
            if self.by_size:
                logits += sizes.double().log()
            self._chance = logits.masked_fill_(sizes == 0, -torch.inf).softmax(1)
            self._of = context.queries
        return self._chance


__all__ = ["Cluster"]
