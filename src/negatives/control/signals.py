"""What a batch of negatives tells about the sampler: pure functions that probes and controllers read.

All signals are means over the rows they are given; a sampler passes a part of the batch. A signal that cannot be
computed, because no negative is allowed, is NaN, and controllers ignore it.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from negatives.types import Context, Csr, Negatives, shared_pool

LOOKUPS = 1 << 22
"""Largest number of slots or of comparisons that one call of :func:`false_negative_signals` looks at."""
ROWS = 1 << 13
"""Rows that it looks at, at most."""
COUNTS = ("canary_hits",)
"""Signals that are counts: those of several ranks are added up, of all others the mean is taken."""


def signals(
    positive: Tensor, negative: Tensor, negatives: Negatives, pool_scores: Tensor | None = None
) -> dict[str, float]:
    """Signals of one batch.

    ``violation_rate``: weighted share of allowed negatives with ``s >= s⁺``. ``gap``: mean of ``s⁺`` less the
    highest allowed score of the row. ``lead``: mean of ``s⁺`` less the mean score of the candidates, or of the allowed
    negatives where there are no ``pool_scores``. ``gradient_share``: weighted mean of ``σ(s - s⁺)``, the share of the
    largest gradient that a logistic loss would pass. ``effective_sample_size``: ``(sum w)² / (n sum w²)`` of the
    weights of the ``n`` allowed negatives of a row; 1 when equal. ``ok_share``: share of slots that are allowed.
    ``duplicate_share``: share of slots that repeat an item of the same row. ``hardness``: mean allowed score in
    standard deviations above the mean score of the candidates, only with ``pool_scores``.

    A sampler whose guards know positives adds ``density``, their share of all pairs of a query and an item.

    Args:
        positive: ``(rows,)`` scores of the positives.
        negative: ``(rows, k)`` scores of the negatives.
        negatives: Gives ``ids``, ``ok`` and ``weight``.
        pool_scores: ``(rows, m)`` scores of the candidates from which the negatives were chosen.
    """
    ok, repeats = negatives.ok, negatives.repeats
    each = _weights(negatives, negative.dtype)
    weight = each if repeats is None else each * repeats.to(each.dtype)
    scores = torch.where(ok, negative.detach(), 0.0)
    lead = scores - positive.detach().unsqueeze(1)
    total = weight.sum()
    counts, sums = (ok if repeats is None else ok * repeats).sum(1), weight.sum(1)
    filled = counts > 0
    hardest = lead.masked_fill(~ok, -math.inf).amax(1)
    sizes = sums.square() / (counts * (weight * each).sum(1))
    found = {
        "violation_rate": (weight * (lead >= 0)).sum() / total,
        "gap": -hardest[filled].mean(),
        "gradient_share": (weight * torch.sigmoid(lead)).sum() / total,
        "effective_sample_size": sizes[sums > 0].mean(),
        "ok_share": counts.sum().to(total.dtype) / (ok.numel() if repeats is None else repeats.sum()),
        "duplicate_share": _duplicates(negatives).to(total.dtype),
    }
    average = (weight * scores).sum() / total if pool_scores is None else pool_scores.mean()
    found["lead"] = positive.detach().mean() - average
    if pool_scores is not None and pool_scores.shape[1] > 1:  # a single candidate is neither hard nor easy
        mean, std = pool_scores.mean(1, keepdim=True), pool_scores.std(1, keepdim=True).clamp(min=1e-12)
        found["hardness"] = (weight * ((scores - mean) / std)).sum() / total
    return dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))


def _weights(negatives: Negatives, dtype: torch.dtype) -> Tensor:
    if negatives.weight is None:
        return negatives.ok.to(dtype)
    return torch.where(negatives.ok, negatives.weight.detach().to(dtype), 0.0)


def _duplicates(negatives: Negatives) -> Tensor:
    ids, repeats = negatives.ids, negatives.repeats
    if repeats is not None:
        return 1.0 - repeats.numel() / repeats.sum()
    pool = shared_pool(ids)
    ordered = (ids if pool is None else pool.unsqueeze(0)).sort(1).values
    same = (ordered[:, 1:] == ordered[:, :-1]).sum()
    return same / max(ordered.numel(), 1)


def false_negative_signals(
    negatives: Negatives,
    context: Context,
    canaries: Csr,
    n_items: int,
    canary_share: float = 0.0,
    excluded: Csr | None = None,
) -> dict[str, float]:
    """How often known positives that were hidden from guards and model are drawn as negatives.

    ``false_negative_lift``: weighted share of allowed negatives that are canaries of their query, over the share
    expected if items were drawn uniformly among those that are not excluded for the query. ``false_negative_rate``:
    weighted share of all allowed negatives that are canaries of their query, divided by ``canary_share``.
    ``canary_hits``: number of allowed slots that hold one.

    The rate rests on an assumption: positives that nobody has seen yet are as many, and as attractive to the
    sampler, as the known ones. Then canaries stand for all false negatives, of which they are ``canary_share``.

    Args:
        negatives: What the sampler returned.
        context: The batch.
        canaries: Hidden positives per query.
        n_items: Number of items.
        canary_share: Share of the known positives that became canaries; the rate is left out where it is 0.
        excluded: Items that guards exclude, per query; a canary is not among them.
    """
    rows = max(1, min(context.rows, ROWS, LOOKUPS // max(negatives.k, 1)))
    ok = negatives.ok[:rows]
    each = _each(negatives)
    counted = ok if each is None else torch.where(ok, each[:rows], 0.0)
    drawn = counted.sum(1, dtype=torch.float64)
    owner, items, lengths = _entries(context.queries[:rows], canaries)
    fits = max(1, LOOKUPS // max(negatives.k, 1))
    if owner.numel() > fits:
        rows = max(1, int(owner[fits]))
        keep = owner < rows
        owner, items, lengths, drawn, ok = owner[keep], items[keep], lengths[:rows], drawn[:rows], ok[:rows]
    pool = shared_pool(negatives.ids)
    ids = negatives.ids[owner] if pool is None else pool.unsqueeze(0)
    hit = (ids == items.unsqueeze(1)) & ok[owner]
    weighted = hit if each is None else torch.where(hit, each[owner], 0.0)
    share = weighted.sum(dtype=torch.float64) / drawn.sum()
    left = n_items if excluded is None else n_items - excluded.lengths()[context.queries[:rows]]
    expected = (drawn * lengths / left).nan_to_num(0.0).sum() / drawn.sum()
    found = {"false_negative_lift": share / expected, "canary_hits": hit.sum().to(torch.float64)}
    if canary_share > 0.0:
        found["false_negative_rate"] = share / canary_share
    return dict(zip(found, torch.stack(list(found.values())).tolist(), strict=True))


def _each(negatives: Negatives) -> Tensor | None:
    """What each slot counts for: its weight, times the draws that it stands for; None where all count alike."""
    weight = None if negatives.weight is None else negatives.weight.detach()
    if weight is None or negatives.repeats is None:
        return negatives.repeats if weight is None else weight
    return weight * negatives.repeats


def _entries(queries: Tensor, canaries: Csr) -> tuple[Tensor, Tensor, Tensor]:
    """``(n,)`` row and ``(n,)`` item of each canary of the rows, and ``(rows,)`` canaries per row."""
    starts = canaries.indptr[queries]
    lengths = canaries.indptr[queries + 1] - starts
    owner = torch.repeat_interleave(torch.arange(queries.numel(), device=queries.device), lengths)
    before = lengths.cumsum(0) - lengths
    places = torch.arange(owner.numel(), device=queries.device) - before[owner] + starts[owner]
    return owner, canaries.indices[places].to(torch.int64), lengths
