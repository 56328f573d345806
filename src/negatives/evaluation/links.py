"""Link prediction: held-back edges against node pairs that are no edges, random ones and hard ones.

Random non-edges flatter: most lie far apart, where any model knows them. Hard ones are the non-neighbours of an end
that random walks from it visit most, after HeaRT (Li et al., 2023, "Evaluating graph neural networks for link
prediction"). It differs from HeaRT in that one measure, personalised PageRank of two and three steps, chooses them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import InputError
from negatives.evaluation.filtered import realistic
from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.nearness import nearest
from negatives.evaluation.values import Ranks, Scored
from negatives.randomness import Purpose, integers, permutation, stream
from negatives.types import Csr, finite

ROWS = 4096
"""Edges that are ranked at a time."""
ENUMERATED = 1 << 22
"""Node pairs up to which all non-edges are listed, instead of drawn."""


@dataclass(frozen=True, slots=True)
class LinkTest:
    """What a model is asked about the held-back edges; the same for every model and sampler.

    Args:
        sources: ``(n,)`` int64, first node of each edge.
        targets: ``(n,)`` int64, second node.
        other_sources: ``(m,)`` int64, first node of random non-edges.
        other_targets: ``(m,)`` int64, second node.
        random: ``(n, 2 h)`` int32 nodes that make an edge wrong: the first ``h`` in place of the target, the others
            in place of the source; -1 for none.
        hard: ``(n, 2 h)`` int32, the same with nodes nearby.
    """

    sources: Tensor
    targets: Tensor
    other_sources: Tensor
    other_targets: Tensor
    random: Tensor
    hard: Tensor


def link_test(
    sources: Tensor, targets: Tensor, graph: Csr, successors: Csr, predecessors: Csr, *, wrong: int, seed: int
) -> LinkTest:
    """Fix the questions.

    Args:
        sources: ``(n,)`` int64 ends of the held-back edges.
        targets: ``(n,)`` int64, the other ends.
        graph: Training neighbours in both directions; nearness follows it.
        successors: What is no wrong target of a node: its neighbours in any part, and itself.
        predecessors: What is no wrong source; the same sets where edges have no direction.
        wrong: Wrong nodes for each edge and kind, half for each end.
        seed: Seed of the random ones.

    Raises:
        InputError: Every pair of nodes is an edge.
    """
    n, half = sources.numel(), max(1, wrong // 2)
    key = stream(seed, Purpose.PROBES)
    rows = torch.arange(n)
    random = torch.cat([
        kernels.draw_uniform(rows, half, successors.n_cols, key, queries=sources, known=successors),
        kernels.draw_uniform(rows + n, half, predecessors.n_cols, key, queries=targets, known=predecessors),
    ], 1)  # fmt: skip
    spare = torch.cat([
        kernels.draw_uniform(rows + 2 * n, half, successors.n_cols, key, queries=sources, known=successors),
        kernels.draw_uniform(rows + 3 * n, half, predecessors.n_cols, key, queries=targets, known=predecessors),
    ], 1)  # fmt: skip
    walk = stream(seed, Purpose.WALKS)
    near = torch.cat([
        nearest(graph, sources, half, successors, walk), nearest(graph, targets, half, predecessors, walk),
    ], 1)  # fmt: skip
    others = non_edges(successors, n, stream(seed, Purpose.PROBES, 1))
    return LinkTest(sources, targets, *others, random.int(), torch.where(near >= 0, near, spare).int())


def non_edges(known: Csr, count: int, key: int) -> tuple[Tensor, Tensor]:
    """``count`` distinct ordered pairs of nodes that are no edge, each ``(count,)``; fewer where fewer exist.

    Args:
        known: Neighbours of each node and itself.
        count: How many.
        key: Random stream.

    Raises:
        InputError: Every pair of nodes is an edge.
    """
    n = known.n_rows
    if n * n <= ENUMERATED:
        free = torch.ones(n * n, dtype=torch.bool)
        rows = torch.repeat_interleave(torch.arange(n), known.lengths())
        free[rows * n + known.indices.long()] = False
        codes = free.nonzero()[:, 0]
        codes = codes[permutation(key, codes.numel())[:count]]
    else:
        tried = torch.arange(2 * count + 64)
        ends = integers(key, tried, 0, n), integers(key, tried, 1, n)
        fine = ~kernels.contains(known, ends[0], ends[1][:, None])[:, 0]
        codes = _first_of_each((ends[0] * n + ends[1])[fine])[:count]
    if codes.numel() == 0:
        raise InputError("every pair of nodes is an edge, so there is nothing to tell apart", hint="give another graph")
    return codes // n, codes % n


def _first_of_each(codes: Tensor) -> Tensor:
    """Distinct codes in order of first use."""
    distinct, place = torch.unique(codes, return_inverse=True)
    first = torch.full((distinct.numel(),), codes.numel()).scatter_reduce_(
        0, place, torch.arange(codes.numel()), "amin"
    )
    return codes[first.sort().values]


PairScores = Callable[[Tensor, Tensor], Tensor]
"""Scores ``(n, k)`` of nodes ``(n,)`` with other nodes ``(n, k)``."""


@dataclass(frozen=True, slots=True)
class LinkScores:
    """How edges are scored.

    Args:
        forth: Scores of the edges from nodes ``(n,)`` to others ``(n, k)``.
        back: Scores of the edges from others ``(n, k)`` to nodes ``(n,)``; the same function as ``forth`` where both
            directions score alike.
        directed: Whether an edge has a direction; without one, its score is the mean of both.
    """

    forth: PairScores
    back: PairScores
    directed: bool

    def __call__(self, nodes: Tensor, others: Tensor, *, reverse: bool = False) -> Tensor:
        """Scores ``(n, k)`` of the edges from ``nodes`` ``(n,)`` to ``others`` ``(n, k)``, or the other way round."""
        near, far = (self.back, self.forth) if reverse else (self.forth, self.back)
        scores = near(nodes, others)
        if self.directed or near is far:
            return scores
        return scores.add_(far(nodes, others)).mul_(0.5)


def evaluate_links(test: LinkTest, scores: LinkScores, *, k: int = 10) -> Metrics:
    """``auc`` and ``ap`` against random non-edges; ``mrr`` and ``hits@k`` against random and, ``:hard``, near ones.

    Every metric is the mean of one value per held-back edge. Ties count one half.

    Args:
        test: The questions.
        scores: How edges are scored.
        k: Length of the list for hits.

    Raises:
        NonFiniteScores: A score is NaN or infinite.
    """
    right = finite(scores(test.sources, test.targets[:, None])[:, 0], "scores")
    wrong = finite(scores(test.other_sources, test.other_targets[:, None])[:, 0], "scores")
    found = measure(Scored(right, wrong), ["auc", "ap"])
    for suffix, candidates in (("", test.random), (":hard", test.hard)):
        ranks = Ranks(_ranks(test, candidates, right, scores))
        ranked = measure(ranks, ["mrr", f"hits@{k}"])
        found.mean.update({f"{name}{suffix}": value for name, value in ranked.mean.items()})
        found.per_query.update({f"{name}{suffix}": values for name, values in ranked.per_query.items()})
    return found


def metric_names(k: int) -> list[str]:
    """What :func:`evaluate_links` gives."""
    return ["auc", "ap", "mrr", f"hits@{k}", "mrr:hard", f"hits@{k}:hard"]


def _ranks(test: LinkTest, candidates: Tensor, right: Tensor, scores: LinkScores) -> Tensor:
    """``(n,)`` float64 rank of each edge among its wrong ones, counted from one."""
    half, ranks = candidates.shape[1] // 2, torch.empty(right.numel(), dtype=torch.float64)
    for start in range(0, right.numel(), ROWS):
        rows = slice(start, start + ROWS)
        ids, real, own = candidates[rows].long().clamp(min=0), candidates[rows] >= 0, right[rows, None]
        wrong = torch.cat([
            scores(test.sources[rows], ids[:, :half]), scores(test.targets[rows], ids[:, half:], reverse=True),
        ], 1)  # fmt: skip
        wrong = finite(wrong, "scores")
        ranks[rows] = realistic(((wrong > own) & real).sum(1), ((wrong == own) & real).sum(1))
    return ranks
