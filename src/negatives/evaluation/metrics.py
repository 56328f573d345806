"""Ranking metrics, per query and over the catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.evaluation.ranking import Ranking
from negatives.registry import suggest


@dataclass(frozen=True, slots=True)
class Metrics:
    """Means, and the values they are means of.

    Args:
        mean: Metric name to value.
        per_query: Metric name to ``(n,)`` float64, for metrics that each query has.
    """

    mean: dict[str, float]
    per_query: dict[str, Tensor]


def recall(hits: Tensor, n_truth: Tensor) -> Tensor:
    """Share of the right answers among the first k: ``hits / |truth|``, ``(n,)``.

    >>> recall(torch.tensor([[True, False, True]]), torch.tensor([4])).tolist()
    [0.5]
    """
    return hits.sum(1) / n_truth.double()


def precision(hits: Tensor, n_truth: Tensor) -> Tensor:
    """Share of the first k that are right, ``(n,)``."""
    return hits.double().mean(1)


def hit(hits: Tensor, n_truth: Tensor) -> Tensor:
    """1 where at least one of the first k is right, ``(n,)``."""
    return hits.any(1).double()


def mrr(hits: Tensor, n_truth: Tensor) -> Tensor:
    """``1 / rank`` of the first right answer, 0 when it is not among the first k, ``(n,)``."""
    first = hits.double().argmax(1)
    return hits.any(1) / (first + 1).double()


def ndcg(hits: Tensor, n_truth: Tensor) -> Tensor:
    """Discounted gain over the best possible (Järvelin and Kekäläinen, 2002), ``(n,)``.

    ``sum_r hit_r / log2(r + 1)`` over the same sum with the first ``min(k, |truth|)`` all right.
    """
    gains = 1 / torch.log2(torch.arange(hits.shape[1], dtype=torch.float64) + 2)
    ideal = gains.cumsum(0)[n_truth.clamp(max=hits.shape[1]) - 1]
    return (hits * gains).sum(1) / ideal


PER_QUERY = {"recall": recall, "precision": precision, "hits": hit, "mrr": mrr, "ndcg": ndcg}


def coverage(ranking: Ranking, k: int) -> float:
    """Share of the ranked items that at least one query is shown among its first ``k``."""
    shown = ranking.top[:, :k]
    different: int = torch.unique(shown[shown >= 0]).numel()
    return different / max(1, ranking.n_candidates)


def popularity(ranking: Ranking, k: int, counts: Tensor) -> float:
    """Popularity bias: mean popularity percentile of what is shown less that of the right answers.

    0 is unbiased; positive means that popular items are shown more than they are wanted.
    """
    ordered = counts.sort().values
    percentile = torch.searchsorted(ordered, counts, right=True).double() / counts.numel()
    shown = ranking.top[:, :k]
    return float(percentile[shown[shown >= 0]].mean() - percentile[ranking.relevant].mean())


def evaluate(ranking: Ranking, names: Sequence[str], counts: Tensor | None = None) -> Metrics:
    """Named metrics such as ``recall@20``, ``ndcg@10``, ``coverage@20`` and ``popularity@20``.

    Args:
        ranking: From :func:`negatives.evaluation.rank`.
        names: Metrics, each with the length of the list.
        counts: ``(n_items,)`` training counts, for ``popularity``.

    Raises:
        ConfigError: A metric is not known, or longer than what was ranked.
    """
    found = Metrics({}, {})
    for name in names:
        kind, _, length = name.partition("@")
        k = int(length) if length.isdigit() else 0
        if not 0 < k <= ranking.top.shape[1]:
            raise ConfigError(f"{name}: give a length from 1 to {ranking.top.shape[1]}, as in {kind}@10")
        if kind in PER_QUERY:
            found.per_query[name] = PER_QUERY[kind](ranking.hits[:, :k], ranking.n_truth)
            found.mean[name] = float(found.per_query[name].mean()) if ranking.queries.numel() else 0.0
        elif kind == "coverage":
            found.mean[name] = coverage(ranking, k)
        elif kind == "popularity":
            if counts is not None:
                found.mean[name] = popularity(ranking, k, counts)
        else:
            raise ConfigError(f"no metric is called {kind!r}; {suggest(kind, [*PER_QUERY, 'coverage', 'popularity'])}")
    return found
