"""Items that stand highest in a few random directions of the batch's own vectors."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.precision import in_float32
from negatives.parameters import Range
from negatives.proposals import sets
from negatives.proposals.base import Proposal
from negatives.proposals.seen_batch import all_vectors
from negatives.randomness import Purpose, stream, uniforms
from negatives.scoring import query_vectors
from negatives.types import Catalogue, Context, Csr, Scorer, State


@dataclass(slots=True)
class Buckets(Proposal):
    """Draw uniformly from the union ``S`` of buckets: the ``size`` items of highest ``<v_i, b_j>`` for each ``b_j``.

    ``b_j = sum_r g_jr e_r`` are mixtures of the vectors of the batch's rows with random signs and sizes, anew in each
    step. ``q(i) = 1/|S|`` inside and 0 elsewhere, so mix with ``uniform`` for estimates over all items. As a pool it
    gives all of ``S``, each item once, whatever size is asked for. With a sampled softmax that is the scalable
    cross-entropy of the paper.

    A step costs ``O(n_items d)`` for the items' vectors and ``O(count n_items d)`` for the directions, whatever the
    number of rows.

    Source: Mezentsev et al., Scalable Cross-Entropy Loss for Sequential Recommendations with Large Item Catalogs,
    RecSys 2024. Differs: there rows fall into buckets too, meet the items of their own buckets alone, and count by the
    bucket in which their loss is greatest; rows in none do not count. Here every row meets the items of all buckets, so
    that none is left out, and the probability of each item is known.

    Args:
        count: Number of directions.
        size: Items of each bucket.

    Raises:
        ConfigError: A value is out of range, or the data is not known at the first draw.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "count": Range(0.25, 4.0, whole=True, relative=True),
        "size": Range(0.25, 4.0, whole=True, relative=True),
    }
    count: int = 16
    size: int = 64
    _n_items: int = field(default=0, init=False, repr=False)
    _set: Csr | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("count", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"buckets: {name} is {getattr(self, name)}; it must be at least 1")

    @property
    def needs_scorer(self) -> bool:
        return True

    def bind(self, catalogue: Catalogue) -> None:
        """Take the most frequent items until a batch is seen."""
        self._n_items = catalogue.n_items
        self._keep(torch.argsort(catalogue.counts, descending=True, stable=True)[: self.size])

    @torch.no_grad()
    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Find the buckets of this batch."""
        rows = query_vectors(scorer, context)
        if not len(rows):
            return
        key = stream(context.seed, Purpose.CLUSTERS, context.step)
        mixed = 2 * uniforms(key, context.examples[:, None], torch.arange(self.count, device=rows.device)) - 1
        items = all_vectors(scorer, self._n_items, context.device)
        with in_float32(rows):
            scores = mixed.to(rows.dtype).T @ rows @ items.T
        self._keep(torch.unique(scores.topk(min(self.size, self._n_items), dim=1).indices))

    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.draw`."""
        members, owners = self._of(context)
        ids = sets.draw_members(members, owners, context, k, key, exclude)
        left = None if exclude is None else sets.allowed_share(members, owners, exclude, context.queries)
        return sets.with_log_q(ids, self._log_q(members).expand(ids.shape), left)

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """See :meth:`Proposal.pool`; all items of the buckets, whatever ``k``."""
        members, _ = self._of(context)
        ids = members.indices.to(torch.int64)
        return ids, self._log_q(members).expand(ids.shape)

    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """See :meth:`Proposal.log_prob`; of the buckets as they stand."""
        members, owners = self._of(context)
        return sets.members_log_prob(members, owners, ids)

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """See :meth:`Proposal.log_allowed`."""
        members, owners = self._of(context)
        return sets.allowed_share(members, owners, exclude, context.queries)

    def state(self) -> State:
        """The items of the buckets."""
        return {} if self._set is None else {"items": self._set.indices.to(torch.int64)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        if "items" in state:
            self._keep(state["items"])

    def _keep(self, items: Tensor) -> None:
        """Take distinct items ``(n,)``."""
        indptr = torch.arange(2, device=items.device) * items.numel()
        self._set = Csr(indptr, items.sort().values.to(torch.int32), self._n_items)

    def _of(self, context: Context) -> tuple[Csr, Tensor]:
        """The set, and of each row that it owns it."""
        if self._set is None:
            raise ConfigError("buckets does not know the items; bind the sampler to the data")
        return self._set, torch.zeros_like(context.queries)

    def _log_q(self, members: Csr) -> Tensor:
        return torch.full((), -math.log(max(1, members.nnz)), device=members.indices.device)
