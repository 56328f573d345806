"""Metrics of classification with many labels, with and without weights for rare ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError, NonFiniteScores
from negatives.evaluation.metrics import Metrics
from negatives.registry import suggest
from negatives.types import Csr

CELLS = 1 << 24
"""Scores that are held at a time."""
KINDS = ("precision", "ndcg", "psp", "recall")


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


def best_labels(
    encode: Callable[[Tensor], Tensor], table: Tensor, queries: Tensor, k: int, exclude: Csr | None = None
) -> Tensor:
    """The ``k`` labels of highest score of each row, ``(n, k)`` int64, best first; -1 where there are fewer.

    Args:
        encode: Vectors ``(rows, d)`` of queries ``(rows,)``.
        table: ``(n_labels, d)``.
        queries: ``(n,)`` int64.
        k: How many.
        exclude: Labels not to rank, per query.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    columns = table.T.contiguous()
    top = torch.full((queries.numel(), k), -1, dtype=torch.int64)
    step = max(1, min(CELLS // max(1, len(table)), 4096))
    for start in range(0, queries.numel(), step):
        some = queries[start : start + step]
        scores = (encode(some.to(table.device)) @ columns).cpu()
        if not bool(torch.isfinite(scores.sum())):
            raise NonFiniteScores("the scores hold NaN or infinity; lower the learning rate")
        top[start : start + step] = kernels.top_k(scores, k, exclude=exclude, queries=some)[0]
    return top


def label_metrics(top: Tensor, queries: Tensor, truth: Csr, names: Sequence[str], chance: Tensor) -> Metrics:
    """Named metrics ``precision@k``, ``ndcg@k``, ``recall@k`` and ``psp@k``.

    ``psp@k = sum_i sum_{l in top_k(i)} y_il / p_l / sum_i max_{y'} sum_{l in y'} 1 / p_l``: the gain of all rows over
    the best possible one, as the published evaluation scripts compute it; so it has no mean per row.

    Args:
        top: ``(n, k)`` labels, best first, -1 for none.
        queries: ``(n,)`` int64 rows, each with at least one right label.
        truth: Right labels per query.
        names: Metrics.
        chance: ``(n_labels,)`` propensities.

    Raises:
        ConfigError: A metric is not known, or is longer than what was ranked.
    """
    hits = kernels.contains(truth, queries, top.clamp(min=0)) & (top >= 0)
    number = truth.lengths()[queries]
    discounts = 1 / torch.log2(torch.arange(top.shape[1]).double() + 2)
    found = Metrics({}, {})
    for name in names:
        kind, k = _parse(name, top.shape[1])
        if kind == "psp":
            gains = (hits[:, :k] / chance[top[:, :k].clamp(min=0)]).sum(1)
            best = best_gains(queries, truth, 1 / chance, k)
            found.mean[name] = float(gains.sum() / best.sum().clamp(min=1e-300))
            found.per_query[name] = gains * (queries.numel() / best.sum().clamp(min=1e-300))
            continue
        if kind == "ndcg":
            ideal = discounts[:k].cumsum(0)[number.clamp(max=k) - 1]
            values = (hits[:, :k] * discounts[:k]).sum(1) / ideal
        else:
            values = hits[:, :k].double().sum(1) / (number if kind == "recall" else k)
        found.per_query[name] = values
        found.mean[name] = float(values.mean()) if values.numel() else 0.0
    return found


def best_gains(queries: Tensor, truth: Csr, gain: Tensor, k: int) -> Tensor:
    """Largest sum ``(n,)`` that ``k`` labels of each row can give."""
    lengths = truth.lengths()[queries]
    start = truth.indptr[queries]
    owner = torch.repeat_interleave(torch.arange(queries.numel()), lengths)
    offsets = lengths.cumsum(0) - lengths
    at = torch.arange(owner.numel()) - offsets[owner] + start[owner]
    values = gain[truth.indices[at].long()]
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(owner[order], stable=True)]
    place = torch.arange(owner.numel()) - offsets[owner]
    return torch.zeros(queries.numel(), dtype=torch.float64).index_add_(0, owner, values[order] * (place < k))


def _parse(name: str, most: int) -> tuple[str, int]:
    kind, _, length = name.partition("@")
    if kind not in KINDS:
        raise ConfigError(f"no metric is called {kind!r}; {suggest(kind, KINDS)}")
    k = int(length) if length.isdigit() else 0
    if not 0 < k <= most:
        raise ConfigError(f"{name}: give a length from 1 to {most}, as in {kind}@5")
    return kind, k


__all__ = ["best_labels", "label_metrics", "propensities"]
