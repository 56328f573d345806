"""Clusters of the items that follow the model while it trains: what ``cluster`` and ``matched`` are made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.precision import in_float32
from negatives.proposals.clusters import Clusters, bisect, k_means, means, principal
from negatives.proposals.seen_batch import SeenBatch, all_vectors, next_due
from negatives.randomness import Purpose, stream
from negatives.scoring import query_vectors
from negatives.types import Catalogue, Context, Scorer, State

DIRECTIONS = 32
"""Principal directions of the vectors in which balanced clusters are halved."""


@dataclass(slots=True)
class ClusterIndex:
    """Clusters that are found anew every so many steps, and the scores of the batch's queries for them.

    Before the first look at the model items lie in clusters by their number, and no cluster scores above another.

    Args:
        name: The proposal that owns it, for errors.
        clusters: Number of clusters; the root of the number of items when None. Balanced ones are as many as the
            nearest power of two.
        every: Steps from one clustering to the next; the first are at the steps 0, 1, 4, 16, 64 and so on.
        balanced: Clusters of equal size, by halving along 32 principal directions, in place of k-means.
        by_count: Weigh items by one plus their training count within a cluster, in place of equally.

    Raises:
        ConfigError: A value is out of range, or the data is not known.
    """

    name: str
    clusters: int | None
    every: int
    balanced: bool
    by_count: bool = False
    _now: Clusters | None = field(default=None, init=False, repr=False)
    _seen: SeenBatch = field(default_factory=SeenBatch, init=False, repr=False)
    _due: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.clusters is not None and self.clusters < 1:
            raise ConfigError(f"{self.name}: clusters is {self.clusters}; it must be at least 1")
        if self.every < 1:
            raise ConfigError(f"{self.name}: every is {self.every}; it must be at least 1")

    def bind(self, catalogue: Catalogue) -> None:
        """Lay items out by their number until a model is seen."""
        n_items = catalogue.n_items
        n = min(n_items, self.clusters or max(1, round(math.sqrt(n_items))))
        if self.balanced:
            n = 1 << min(round(math.log2(n)), n_items.bit_length() - 1)
        counts = catalogue.counts.to(torch.int64)
        weight = 1 + counts if self.by_count else torch.ones_like(counts)
        items = torch.arange(n_items, device=counts.device)
        self._now = Clusters.build(items * n // n_items, weight, torch.zeros(n, 0, device=counts.device))
        self._seen, self._due = SeenBatch(), 0

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the clusters anew when it is time, and take the vectors of the batch."""
        now = self.now()
        if not now.centroids.shape[1] or context.step >= self._due:
            key = stream(context.seed, Purpose.CLUSTERS, context.step)
            vectors = all_vectors(scorer, now.of.numel(), context.device)
            of, centroids = self._balanced(vectors, now.n, key) if self.balanced else self._means(vectors, now, key)
            self._now = Clusters.build(of, now.weight, centroids)
            self._due = next_due(context.step, self.every)
        self._seen.keep(context.queries, query_vectors(scorer, context))

    def now(self) -> Clusters:
        """The clusters as they stand."""
        if self._now is None:
            raise ConfigError(f"{self.name} does not know the items; bind the sampler to the data")
        return self._now

    def scores(self, context: Context) -> tuple[Tensor, Tensor]:
        """Products ``(rows, n)`` of queries and centroids, and whether each query has been seen ``(rows,)``."""
        centroids = self.now().centroids
        vectors, there = self._seen.vectors_of(context.queries, centroids.shape[1])
        with in_float32(vectors):
            return vectors @ centroids.T, there

    def state(self) -> State:
        """The clusters, the vectors of the batch, and when clusters are found anew."""
        if self._now is None:
            return {}
        now = self._now
        return {"of": now.of.clone(), "centroids": now.centroids.clone(), "due": self._due, "seen": self._seen.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        if "of" in state:
            weight = self.now().weight
            of, centroids = (state[name].clone().to(weight.device) for name in ("of", "centroids"))
            self._now = Clusters.build(of, weight, centroids)
            self._due = int(state["due"])
            self._seen.load_state(state["seen"])

    def _means(self, vectors: Tensor, now: Clusters, key: int) -> tuple[Tensor, Tensor]:
        warm = now.centroids if now.centroids.shape[1] == vectors.shape[1] else None
        return k_means(vectors, now.n, key, warm, rounds=8 if warm is None else 4)

    def _balanced(self, vectors: Tensor, n: int, key: int) -> tuple[Tensor, Tensor]:
        with in_float32(vectors):
            seen = vectors if vectors.shape[1] <= DIRECTIONS else vectors @ principal(vectors, DIRECTIONS)[1]
        order, starts = bisect(seen, n.bit_length() - 1, key)
        of = torch.empty_like(order)
        of[order] = torch.repeat_interleave(torch.arange(n, device=order.device), starts.diff())
        return of, means(vectors, of, n, vectors.new_zeros(n, vectors.shape[1]))
