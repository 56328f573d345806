"""The items that an approximate search finds nearest to a row's vector, as it is in this step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels import contains
from negatives.parameters import Range
from negatives.proposals.base import Proposal
from negatives.proposals.cluster_index import ClusterIndex
from negatives.proposals.rejection import conditional_log_q
from negatives.proposals.seen_batch import SeenBatch
from negatives.randomness import bits, bounded
from negatives.scoring import first_rows, scores_of
from negatives.types import Catalogue, Context, Csr, Scorer, State

CELLS = 1 << 21
"""Candidates that are scored at a time."""


@dataclass(slots=True)
class Shortlist(Proposal):
    """Draw uniformly from the ``size`` best items that a search finds in the ``probes`` clusters nearest to the query.

    ``q(i | u) = 1 / |L_u|`` for ``i`` in the list ``L_u`` and 0 elsewhere, so mix with ``uniform`` for estimates over
    all items. Known positives are not in a list. Items of the probed clusters are scored by the model as it stands, in
    every step and for the batch's queries only; the clusters are found anew every so many steps. With as many probes
    as clusters the search is exact. A query outside the batch last seen has the most frequent items for its list.

    A step costs ``O(n_clusters d + probes d n_items / n_clusters)`` for each query of the batch, a draw ``O(k)``, a
    refresh what :func:`negatives.proposals.clusters.bisect` costs. :class:`negatives.proposals.Retrieved` searches all
    items for all queries now and then instead: better where there are few of both.

    Differs from the paper: clusters in place of a graph of neighbours, lists that follow the model from step to step,
    and some items of a list drawn rather than all taken.

    Source: Jain et al., WSDM 2019, "Slice: scalable linear extreme classifiers trained on 100 million labels for
    related searches"; Jégou et al., 2011, "Product quantization for nearest neighbor search" (inverted file).

    Args:
        size: Items of a list.
        probes: Clusters that are searched.
        clusters: Number of clusters, taken to the nearest power of two; the root of the number of items when None.
        every: Steps from one clustering to the next; the first are at the steps 0, 1, 4, 16, 64 and so on.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"size": Range(20, 500, whole=True)}
    size: int = 100
    probes: int = 8
    clusters: int | None = None
    every: int = 500
    _index: ClusterIndex = field(init=False, repr=False)
    _known: Csr | None = field(default=None, init=False, repr=False)
    _popular: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64), init=False, repr=False)
    _lists: SeenBatch = field(default_factory=SeenBatch, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("size", "probes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"shortlist: {name} is {getattr(self, name)}; it must be at least 1")
        self._index = ClusterIndex("shortlist", self.clusters, self.every, balanced=True)

    @property
    def conditional(self) -> bool:
        return True

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Take the known positives, and the most frequent items for queries that were not seen."""
        self._index.bind(catalogue)
        order = torch.argsort(catalogue.counts, descending=True, stable=True)
        self._known, self._popular, self._lists = catalogue.known, order[: self.size].sort().values, SeenBatch()

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the clusters anew when it is time, and search them for the batch's queries."""
        self._index.refresh(context, scorer)
        some = _distinct(context)
        now = self._index.now()
        step = max(1, CELLS // (min(self.probes, now.n) * int(now.sizes().max())))
        if some.rows > step:
            parts = torch.split(torch.arange(some.rows, device=context.device), step)
            lists = torch.cat([self._search(some.take(rows), scorer) for rows in parts])
        else:
            lists = self._search(some, scorer)
        self._lists.keep(some.queries, lists)

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        lists = self._of(context)
        allowed = self._allowed(lists, context, exclude)
        counts = allowed.sum(1, keepdim=True)
        nth = bounded(bits(key, context.examples[:, None], torch.arange(k, device=lists.device)), counts)
        order = torch.argsort((~allowed).to(torch.int8), dim=1, stable=True)  # allowed ones first
        ids = torch.where(counts > 0, lists.gather(1, order.gather(1, nth)), -1)
        log_prob = -self._sizes(lists).log().float().expand(-1, k)
        if exclude is None:
            return ids, torch.where(ids >= 0, log_prob, 0.0)
        rest = (counts / self._sizes(lists)).log().float()[:, 0].clamp(min=-1e30)
        return ids, conditional_log_q(log_prob, rest, ids)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the lists as they stand."""
        lists = self._of(context)
        place = torch.searchsorted(lists, ids.contiguous()).clamp(max=lists.shape[1] - 1)
        return torch.where(lists.gather(1, place) == ids, -self._sizes(lists).log().float(), -torch.inf)

    def empty(self, context: Context) -> Tensor | None:
        """See :meth:`Proposal.empty`; queries for which no item was found."""
        return self._of(context)[:, 0] >= self._index.now().order.numel()

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        lists = self._of(context)
        left = self._allowed(lists, context, exclude).sum(1, keepdim=True)
        return (left / self._sizes(lists)).log().float()[:, 0]

    def state(self) -> State:
        """The clusters and the lists of the batch."""
        return {"index": self._index.state(), "lists": self._lists.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        if "lists" in state:
            self._index.load_state(state["index"])
            self._lists.load_state(state["lists"])

    def _search(self, context: Context, scorer: Scorer) -> Tensor:
        """Lists ``(rows, size)`` of the best items found, ascending, filled up with the number of items."""
        now = self._index.now()
        top = self._index.scores(context)[0].topk(min(self.probes, now.n), dim=1).indices
        places = now.starts[top][:, :, None] + torch.arange(int(now.sizes().max()), device=context.device)
        there = (places < now.starts[top + 1][:, :, None]).flatten(1)
        found = now.order[places.flatten(1).clamp(max=len(now.order) - 1)]
        if self._known is not None:
            there &= ~contains(self._known, context.queries, found)
        scores = scores_of(scorer, context, found).masked_fill(~there, -torch.inf)
        best = scores.topk(min(self._popular.numel(), scores.shape[1]), dim=1)
        lists = torch.where(best.values > -torch.inf, found.gather(1, best.indices), now.order.numel())
        missing = self._popular.numel() - lists.shape[1]
        return torch.nn.functional.pad(lists, (0, missing), value=now.order.numel()).sort(1).values

    def _of(self, context: Context) -> Tensor:
        """Lists ``(rows, size)`` int64, ascending."""
        self._index.now()
        lists, there = self._lists.vectors_of(context.queries, self._popular.numel())
        return torch.where(there[:, None], lists.to(torch.int64), self._popular)

    def _allowed(self, lists: Tensor, context: Context, exclude: Csr | None) -> Tensor:
        """``(rows, size)`` bool: places that hold an item which is not excluded."""
        there = lists < self._index.now().order.numel()
        if exclude is None:
            return there
        return there & ~contains(exclude, context.queries, torch.where(there, lists, 0))

    def _sizes(self, lists: Tensor) -> Tensor:
        """``(rows, 1)`` float64 items of each list, at least 1."""
        n_items = self._index.now().order.numel()
        return (lists < n_items).sum(1, keepdim=True).clamp(min=1).double()


def _distinct(context: Context) -> Context:
    """One row for each query; the batch as it is where few queries come twice, for its vectors are at hand."""
    first = first_rows(context.queries)
    return context.take(first) if 2 * first.numel() <= context.rows else context
