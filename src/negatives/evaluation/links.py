"""Link prediction: held-back edges against node pairs that are no edges, random ones and hard ones.

Random non-edges flatter: most lie far apart, where any model knows them. Hard ones are the non-neighbours of an end
that random walks from it visit most, after HeaRT (Li et al., 2023, "Evaluating graph neural networks for link
prediction"). It differs from HeaRT in that one measure, personalised PageRank of two and three steps, chooses them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import InputError
from negatives.evaluation.filtered import realistic
from negatives.evaluation.measure import Metrics, measure
from negatives.evaluation.nearness import nearest
from negatives.evaluation.ranking import renumbered
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


@dataclass(frozen=True, slots=True)
class RightEnds:
    """What is no wrong end of an edge.

    Args:
        targets: What is no wrong target of each node: its neighbours in any part, and itself.
        sources: What is no wrong source; the same object where edges have no direction.
        sides: ``(n_nodes,)`` int64 sides of a bipartite graph, -1 for none; wrong ends are of the other side, as
            right ones are. None for other graphs.
    """

    targets: Csr
    sources: Csr
    sides: Tensor | None = None


def link_test(
    sources: Tensor,
    targets: Tensor,
    graph: Csr,
    right: RightEnds,
    others: tuple[Tensor, Tensor],
    *,
    wrong: int,
    seed: int,
    part: int = 0,
) -> LinkTest:
    """Fix the questions.

    Args:
        sources: ``(n,)`` int64 ends of the held-back edges.
        targets: ``(n,)`` int64, the other ends.
        graph: Training neighbours in both directions; nearness follows it.
        right: What is no wrong end.
        others: Random non-edges, from :func:`non_edges`.
        wrong: Wrong nodes for each edge and kind, half for each end.
        seed: Seed of the random ones.
        part: Number of the part; the random ones of another part are others.
    """
    n, half = sources.numel(), max(1, wrong // 2)
    key = stream(seed, Purpose.PROBES, 2 * part)
    rows = torch.arange(n)
    random, spare = (
        torch.cat([
            _wrong(rows + first * n, half, key, targets_of, known, right.sides)
            for first, targets_of, known in ((at, sources, right.targets), (at + 1, targets, right.sources))
        ], 1)
        for at in (0, 2)
    )  # fmt: skip
    walk = stream(seed, Purpose.WALKS)
    near = torch.cat([
        nearest(graph, sources, half, right.targets, walk, right.sides),
        nearest(graph, targets, half, right.sources, walk, right.sides),
    ], 1)  # fmt: skip
    return LinkTest(sources, targets, *others, random.int(), torch.where(near >= 0, near, spare).int())


def _wrong(examples: Tensor, k: int, key: int, nodes: Tensor, known: Csr, sides: Tensor | None) -> Tensor:
    """``(n, k)`` random nodes that are not known to ``nodes`` ``(n,)``, of the other side; -1 where there is none."""
    if sides is None:
        return kernels.draw_uniform(examples, k, known.n_cols, key, queries=nodes, known=known)
    found = torch.full((nodes.numel(), k), -1, dtype=torch.int64)
    for side in (0, 1):
        rows, items = (sides[nodes] == side).nonzero()[:, 0], (sides == 1 - side).nonzero()[:, 0]
        own = renumbered(known, items)
        drawn = kernels.draw_uniform(examples[rows], k, items.numel(), key, queries=nodes[rows], known=own)
        found[rows] = torch.where(drawn >= 0, items[drawn.clamp(min=0)], -1)
    return found


def non_edges(right: RightEnds, counts: Sequence[int], key: int) -> list[tuple[Tensor, Tensor]]:
    """Distinct pairs of nodes that are no edge, so many for each part, and no pair in two parts.

    Without directions, ``u v`` and ``v u`` are one pair. Where fewer exist, the parts have fewer, in the same
    proportion.

    Args:
        right: What is no wrong end.
        counts: How many for each part.
        key: Random stream.

    Raises:
        InputError: There are too few for each part to have one.
    """
    known, total, n = right.targets, sum(counts), right.targets.n_rows
    if n * n <= ENUMERATED:
        free = torch.ones(n * n, dtype=torch.bool)
        rows = torch.repeat_interleave(torch.arange(n), known.lengths())
        free[rows * n + known.indices.long()] = False
        codes = free.nonzero()[:, 0]
        codes = codes[permutation(key, codes.numel())]
        codes = codes[_apart(codes // n, codes % n, right.sides)]
    else:
        tried = torch.arange(_tries(total, right.sides))
        ends = integers(key, tried, 0, n), integers(key, tried, 1, n)
        fine = _apart(*ends, right.sides) & ~kernels.contains(known, ends[0], ends[1][:, None])[:, 0]
        codes = (ends[0] * n + ends[1])[fine]
    codes = codes[_firsts(_pair_codes(codes, n, right.sources is not known))]
    if codes.numel() < len(counts):
        raise InputError("every pair of nodes is an edge, so there is nothing to tell apart", hint="give another graph")
    ends_at, found = 0, []
    for place, count in enumerate(counts):
        rest = len(counts) - place - 1
        size = count if total <= codes.numel() else max(1, codes.numel() * count // max(total, 1))
        size = min(size, codes.numel() - ends_at - rest)
        some = codes[ends_at : ends_at + size]
        found.append((some // n, some % n))
        ends_at += size
    return found


def _apart(left: Tensor, right: Tensor, sides: Tensor | None) -> Tensor:
    """Which pairs could be an edge as far as their sides go."""
    if sides is None:
        return torch.ones_like(left, dtype=torch.bool)
    return (sides[left] >= 0) & (sides[right] >= 0) & (sides[left] != sides[right])


def _tries(count: int, sides: Tensor | None) -> int:
    """Pairs to draw so that enough fit."""
    share = 1.0
    if sides is not None:
        sizes = [float((sides == side).sum()) / sides.numel() for side in (0, 1)]
        share = 2 * sizes[0] * sizes[1]
    return int((2 * count + 64) / share)


def _pair_codes(codes: Tensor, n: int, directed: bool) -> Tensor:
    """Codes that are the same for both directions, where edges have none."""
    if directed:
        return codes
    ends = codes // n, codes % n
    return torch.minimum(*ends) * n + torch.maximum(*ends)


def _firsts(codes: Tensor) -> Tensor:
    """Places of the first of each code, in order."""
    distinct, place = torch.unique(codes, return_inverse=True)
    first = torch.full((distinct.numel(),), codes.numel()).scatter_reduce_(
        0, place, torch.arange(codes.numel()), "amin"
    )
    return first.sort().values


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
    found = replace(measure(Scored(right, wrong), ["auc", "ap"]), queries=test.sources)
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
