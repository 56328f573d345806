"""Metrics of classification with many labels, with and without weights for rare ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from negatives import kernels
from negatives.evaluation.ideal import highest
from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.values import RankedByWeights
from negatives.types import Csr


def propensities(counts: Tensor, rows: int, a: float = 0.55, b: float = 1.5) -> Tensor:
    """Chance ``(n_labels,)`` float64 that a label that fits a row was also given to it.

    ``p_l = 1 / (1 + C (n_l + B)^-A)`` with ``C = (log N - 1) (B + 1)^A``, ``n_l`` the label's rows among the ``N``
    training rows.

    Source: Jain, Prabhu and Varma, Extreme Multi-label Loss Functions, KDD 2016. A = 0.55 and B = 1.5 are theirs
    for most data; 0.5 and 0.4 for Wikipedia, 0.6 and 2.6 for Amazon.

    >>> [round(p, 4) for p in propensities(torch.tensor([0, 10, 1000]), 1000).tolist()]
    [0.1133, 0.2815, 0.8205]
    """
    c = (math.log(max(rows, 3)) - 1) * (b + 1) ** a
    return torch.reciprocal(1 + c * (counts.double() + b).pow(-a))


def label_metrics(top: Tensor, queries: Tensor, truth: Csr, names: Sequence[str], chance: Tensor) -> Metrics:
    """Metrics of ranked lists such as ``precision@1`` and ``ndcg@5``, and ``psp@5`` by the labels' propensities.

    Args:
        top: ``(n, k)`` labels, best first, -1 for none.
        queries: ``(n,)`` int64 rows, each with at least one right label.
        truth: Right labels per query.
        names: Metrics.
        chance: ``(n_labels,)`` propensities.

    Raises:
        ConfigError: A metric is not known, needs other values, or is longer than what was ranked.
    """
    weights = 1 / chance
    owners = torch.repeat_interleave(torch.arange(truth.n_rows), truth.lengths())
    lists = RankedByWeights(
        items=top,
        gains=kernels.contains(truth, queries, top.clamp(min=0)) & (top >= 0),
        relevant=truth.lengths()[queries],
        n_candidates=truth.n_cols,
        weights=weights,
        best=highest(owners, weights[truth.indices.long()], queries, top.shape[1]),
    )
    return replace(measure(lists, names), queries=queries)
