"""Filtered ranking of single answers: where the right entity stands among all that are not known to be right.

With ties the rank is the realistic one, the mean of the best and the worst place that ties allow (Berrendorf et al.,
2020): ``1 + |{better}| + |{equal}| / 2``. A model that gives all entities one score ends in the middle, not on top.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.errors import NonFiniteScores
from negatives.evaluation.measure import measure
from negatives.evaluation.values import Ranks
from negatives.types import Csr

CELLS = 1 << 23
"""Scores that are held at a time."""

ScoreAll = Callable[[Tensor], Tensor]
"""Scores ``(n, n_items)`` of queries ``(n,)`` with every item."""


@torch.no_grad()
def filtered_ranks(score_all: ScoreAll, queries: Tensor, answers: Tensor, known: Csr, *, cells: int = CELLS) -> Tensor:
    """Realistic rank of each answer among the items that are no other known answer of its query, ``(n,)`` float64.

    Every distinct query is scored once.

    Args:
        score_all: Scores of queries with all items.
        queries: ``(n,)`` int64.
        answers: ``(n,)`` int64 items.
        known: Right answers of each query in all parts.
        cells: Scores held at a time.

    Raises:
        NonFiniteScores: A score is NaN or infinite.

    >>> known = Csr.from_pairs(torch.tensor([0, 0]), torch.tensor([1, 2]), 1, 4)
    >>> scores = torch.tensor([[1.0, 3.0, 2.0, 2.0]])
    >>> filtered_ranks(lambda queries: scores, torch.tensor([0, 0]), torch.tensor([1, 2]), known).tolist()
    [1.0, 1.5]
    """
    ranks = torch.empty(queries.numel(), dtype=torch.float64)
    order = torch.argsort(queries, stable=True)
    distinct, counts = torch.unique_consecutive(queries[order], return_counts=True)
    ends = counts.cumsum(0)
    step = max(1, cells // max(known.n_cols, 1))
    at = 0
    while at < distinct.numel():
        some = distinct[at : at + step]
        first = int(ends[at] - counts[at])
        rows = order[first : int(ends[at + some.numel() - 1])]
        owners = torch.repeat_interleave(torch.arange(some.numel()), counts[at : at + some.numel()])
        ranks[rows] = _block(score_all(some), some, owners, answers[rows], known)
        at += step
    return ranks


def _block(scores: Tensor, queries: Tensor, owners: Tensor, answers: Tensor, known: Csr) -> Tensor:
    """Ranks ``(n,)`` of ``answers`` whose scores stand in the rows ``owners`` of ``scores``."""
    total = float(scores.sum())
    if total - total != 0.0:
        raise NonFiniteScores("the model's scores hold NaN or infinity; lower the learning rate")
    own = scores[owners, answers]
    for row, query in enumerate(queries.tolist()):  # other right answers must not count
        scores[row, known.row(query).long()] = -torch.inf
    better = torch.empty(answers.numel(), dtype=torch.int64)
    equal = torch.empty_like(better)
    for at in range(0, answers.numel(), scores.shape[0]):
        part = slice(at, at + scores.shape[0])
        each, mine = scores[owners[part]], own[part, None]
        better[part], equal[part] = (each > mine).sum(1), (each == mine).sum(1)
    return realistic(better, equal)


def realistic(better: Tensor, equal: Tensor) -> Tensor:
    """Realistic ranks ``1 + better + equal / 2`` of answers with so many rivals of higher and of equal score."""
    return 1 + better.double() + equal.double() / 2


def rank_metrics(ranks: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """One value per answer for metrics of ranks such as ``mrr`` and ``hits@10``, each ``(n,)`` float64.

    Raises:
        ConfigError: A metric is not known, or needs more than ranks.

    >>> {name: value.tolist() for name, value in rank_metrics(torch.tensor([1.0, 4.0]), ["mrr", "hits@3"]).items()}
    {'mrr': [1.0, 0.25], 'hits@3': [1.0, 0.0]}
    """
    return measure(Ranks(ranks), names).per_query


@dataclass(frozen=True, slots=True)
class GroupMean:
    """Mean of a metric over the answers of one group.

    Args:
        group: Number of the group.
        n: Answers in it.
        mean: Their mean.
    """

    group: int
    n: int
    mean: float


def by_group(values: Tensor, groups: Tensor) -> list[GroupMean]:
    """Means of ``values`` ``(n,)`` by ``groups`` ``(n,)`` int64, for instance by relation or direction.

    >>> [(one.group, one.n, one.mean) for one in by_group(torch.tensor([1.0, 0.0, 0.5]), torch.tensor([2, 2, 7]))]
    [(2, 2, 0.5), (7, 1, 0.5)]
    """
    distinct, place, counts = torch.unique(groups, return_inverse=True, return_counts=True)
    sums = torch.zeros(distinct.numel(), dtype=torch.float64).index_add_(0, place, values.double())
    means = (sums / counts).tolist()
    return [GroupMean(*row) for row in zip(distinct.tolist(), counts.tolist(), means, strict=True)]
