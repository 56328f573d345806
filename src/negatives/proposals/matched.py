"""Items of the clusters that match the query best, and of the clusters of its right answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.parameters import Range
from negatives.proposals.cluster_index import ClusterIndex
from negatives.proposals.clustered import Clustered
from negatives.proposals.sets import listed
from negatives.types import Catalogue, Context, Csr


@dataclass(slots=True)
class Matched(Clustered):
    """Draw uniformly from the items of the ``best`` clusters of a query, and sometimes from all items.

    ``q(i | u) = (1 - e) [c_i in S_u] / sum_(c in S_u) |c| + e / n_items``, where ``S_u`` holds the clusters whose
    mean vectors score highest for the query (matcher-aware negatives) and, with ``teacher_forced``, those of its known
    positives, which look most like them. Where the data knows no positives, the row's own counts as known.

    Clusters have equal sizes and are found anew every so many steps; the query's vector is that of the step. A query
    outside the batch last seen has only the clusters of its positives, or draws uniformly where it has none.

    A draw costs ``O(n_clusters (d + 1) + k log n_items)`` for each row, and one look at its known positives; a
    refresh what :func:`negatives.proposals.clusters.bisect` costs.

    Differs from the papers: the matcher is the ranker's own scores of cluster means, not a trained model of its own;
    negatives are drawn from the matched clusters, not all taken; known positives are left out.

    Source: You et al., NeurIPS 2019, "AttentionXML"; Jiang et al., AAAI 2021, "LightXML"; Zhang et al., NeurIPS 2021,
    "Fast multi-resolution transformer fine-tuning for extreme multi-label text classification" (XR-Transformer).

    Args:
        best: Clusters that are matched, at most a quarter of all.
        teacher_forced: Take the clusters of known positives too.
        uniform: ``e``, the share drawn from all items.
        clusters: Number of clusters, taken to the nearest power of two; the root of the number of items when None.
        balanced: Clusters of equal size; k-means if False.
        every: Steps from one clustering to the next; the first are at the steps 0, 1, 4, 16, 64 and so on.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"best": Range(2, 64, whole=True), "uniform": Range(0.01, 0.5)}
    best: int = 8
    teacher_forced: bool = True
    uniform: float = 0.1
    clusters: int | None = None
    balanced: bool = True
    every: int = 500
    _known: Csr | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.best < 1:
            raise ConfigError(f"matched: best is {self.best}; it must be at least 1")
        if not 0.0 <= self.uniform <= 1.0:
            raise ConfigError(f"matched: uniform is {self.uniform}; a share lies between 0 and 1")
        self._index = ClusterIndex("matched", self.clusters, self.every, self.balanced)

    def bind(self, catalogue: Catalogue) -> None:
        """Take the known positives, and lay items out by their number until a model is seen."""
        Clustered.bind(self, catalogue)
        self._known = catalogue.known

    def chances(self, context: Context) -> Tensor:
        """See :meth:`Clustered.chances`."""
        sizes = self._index.now().sizes().double()
        inside = self._matched(context) * sizes
        total = inside.sum(1, keepdim=True)
        everywhere = sizes / sizes.sum()
        mix = (1.0 - self.uniform) * inside / total.clamp(min=1.0) + self.uniform * everywhere
        return torch.where(total > 0, mix, everywhere)

    def _matched(self, context: Context) -> Tensor:
        """``(rows, n)`` bool: the clusters that a row draws from."""
        now = self._index.now()
        scores, there = self._index.scores(context)
        found = torch.zeros(scores.shape, dtype=torch.bool, device=context.device)
        best = min(self.best, max(1, now.n // 4))
        top = scores.masked_fill(now.sizes() == 0, -torch.inf).topk(best, dim=1).indices
        found.scatter_(1, top, there[:, None].expand(top.shape))
        if self.teacher_forced and self._known is None:
            found.scatter_(1, now.of[context.positives][:, None], True)
        elif self.teacher_forced and self._known is not None:
            rows, items, _ = listed(self._known, context.queries)
            found[rows, now.of[items]] = True
        return found
