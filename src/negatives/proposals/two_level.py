"""Exact draws of a cluster and then of an item of it, also where some items are excluded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.proposals.clusters import Clusters
from negatives.proposals.rejection import conditional_log_q, derived, pick
from negatives.proposals.sets import listed
from negatives.randomness import uniforms
from negatives.types import Context, Csr


@dataclass(frozen=True, slots=True)
class Gone:
    """What is excluded of each row's clusters. A group is one cluster of one row.

    Args:
        weight: ``(rows, n)`` int64 weight that each row loses in each cluster.
        codes: ``(entries,)`` int64, ascending: group times ``step``, plus the allowed weight of the cluster that lies
            before the excluded item.
        sums: ``(entries + 1,)`` int64 excluded weight before each entry.
        step: One more than the weight of the heaviest cluster.
    """

    weight: Tensor
    codes: Tensor
    sums: Tensor
    step: int

    @classmethod
    def of(cls, clusters: Clusters, exclude: Csr, queries: Tensor) -> Gone:
        """What ``exclude`` takes from the rows of ``queries`` ``(rows,)``; costs a sort of the excluded items."""
        rows, items, _ = listed(exclude, queries)
        codes = (rows * len(clusters.order) + clusters.place[items]).sort().values
        places = codes % len(clusters.order)
        items = clusters.order[places]
        groups, lost = codes // len(clusters.order) * clusters.n + clusters.of[items], clusters.weight[items]
        sums = torch.cat([lost.new_zeros(1), lost.cumsum(0)])
        earlier = sums[:-1] - sums[torch.searchsorted(groups, groups)]
        before = clusters.sums[places] - clusters.sums[clusters.starts[clusters.of[items]]]
        step = int(clusters.totals().max()) + 1
        weight = lost.new_zeros(queries.numel() * clusters.n).index_add_(0, groups, lost)
        return cls(weight.view(queries.numel(), -1), groups * step + before - earlier, sums, step)

    def shift(self, groups: Tensor, at: Tensor) -> Tensor:
        """Excluded weight to skip to reach the allowed weight ``at`` of each group, in the shape of ``at``."""
        first = torch.searchsorted(self.codes, groups * self.step)
        return self.sums[torch.searchsorted(self.codes, groups * self.step + at, right=True)] - self.sums[first]


def draw_two_level(
    clusters: Clusters, chance: Tensor, context: Context, k: int, key: int, exclude: Csr | None
) -> tuple[Tensor, Tensor]:
    """Draw clusters by ``chance`` and items by weight within them, with exact conditional probability.

    With ``X`` excluded, a cluster's chance is multiplied by the share of its weight that is allowed, and the draw
    within it steps over what is excluded in whole numbers: nothing is rejected. Costs ``O(rows n + rows k log n)``
    and a sort of the excluded items.

    Args:
        clusters: Items in clusters.
        chance: ``(rows, n)`` float64, sums to 1 in each row, 0 for empty clusters.
        context: The batch.
        k: Draws per row.
        key: Random stream.
        exclude: Items that must not be drawn, per query.

    Returns:
        What :meth:`negatives.proposals.base.Proposal.draw` promises.
    """
    totals, slots = clusters.totals(), torch.arange(k, device=context.device)
    gone = None if exclude is None or exclude.nnz == 0 else Gone.of(clusters, exclude, context.queries)
    allowed = chance if gone is None else _allowed(chance, totals, gone)
    which = pick(allowed, uniforms(derived(key, 0), context.examples[:, None], slots))
    some = which.clamp(min=0)
    left = totals[some] if gone is None else totals[some] - gone.weight.gather(1, some)
    within = (uniforms(derived(key, 1), context.examples[:, None], slots) * left).to(torch.int64)
    within = torch.minimum(within, (left - 1).clamp(min=0))
    if gone is not None:
        rows = torch.arange(context.rows, device=context.device)[:, None]
        within = within + gone.shift(rows * clusters.n + some, within)
    target = clusters.sums[clusters.starts[some]] + within
    places = torch.searchsorted(clusters.sums, target, right=True) - 1
    ids = torch.where(which >= 0, clusters.order[places.clamp(max=len(clusters.order) - 1)], -1)
    log_prob = two_level_log_prob(clusters, chance, ids.clamp(min=0))
    rest = allowed.sum(1).log().clamp(min=-1e30).float() if gone is not None else torch.zeros_like(log_prob[:, 0])
    return ids, conditional_log_q(log_prob, rest, ids)


def two_level_log_prob(clusters: Clusters, chance: Tensor, ids: Tensor) -> Tensor:
    """Log-probability ``(rows, n)`` float32 of ``ids`` ``(rows, n)``, nothing excluded."""
    of = clusters.of[ids]
    return (chance.gather(1, of) * clusters.weight[ids] / clusters.totals()[of]).log().float()


def two_level_log_allowed(clusters: Clusters, chance: Tensor, context: Context, exclude: Csr) -> Tensor:
    """``(rows,)`` float32, log of the chance that is left; sums what stays, so that no digits are lost."""
    if exclude.nnz == 0:
        return torch.zeros(context.rows, device=context.device)
    gone = Gone.of(clusters, exclude, context.queries)
    return _allowed(chance, clusters.totals(), gone).sum(1).log().float()


def _allowed(chance: Tensor, totals: Tensor, gone: Gone) -> Tensor:
    return chance * ((totals - gone.weight) / totals.clamp(min=1).double())
