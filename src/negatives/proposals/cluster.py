"""A cluster near the query, then an item of it: a cheap stand-in for the softmax over all items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.cluster_index import ClusterIndex
from negatives.proposals.clustered import Clustered
from negatives.types import Context


@dataclass(slots=True)
class Cluster(Clustered):
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
        temperature: ``T``, which divides the clusters' scores.
        by_size: ``s = 1`` rather than 0: a cluster's chance grows with its number of items.
        within: ``uniform`` or ``counts``: how items of one cluster are weighed.
        balanced: Clusters of equal size, a power of two of them.
        every: Steps from one clustering to the next; the first are at the steps 0, 1, 4, 16, 64 and so on.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"temperature": Range(0.2, 5.0, relative=True)}
    clusters: int | None = None
    temperature: float = 1.0
    by_size: bool = True
    within: Literal["uniform", "counts"] = "uniform"
    balanced: bool = False
    every: int = 500
    needs_queries = False

    def __post_init__(self) -> None:
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"cluster: temperature is {self.temperature}; it must be above 0 and finite")
        if self.within not in ("uniform", "counts"):
            raise ConfigError(f"cluster: within is {self.within!r}; choose uniform or counts")
        self._index = ClusterIndex("cluster", self.clusters, self.every, self.balanced, self.within == "counts")

    def chances(self, context: Context) -> Tensor:
        """See :meth:`Clustered.chances`."""
        sizes = self._index.now().sizes()
        logits = self._index.scores(context)[0].double() / self.temperature
        if self.by_size:
            logits += sizes.double().log()
        return logits.masked_fill_(sizes == 0, -torch.inf).softmax(1)
