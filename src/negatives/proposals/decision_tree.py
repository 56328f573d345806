"""A binary tree of logistic decisions with one item at each leaf: draws, exact probabilities, and its fit."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from negatives.kernels import total_rows
from negatives.kernels.precision import in_float32
from negatives.proposals.clusters import halves
from negatives.proposals.rejection import blocks, derived, excluded_mask
from negatives.proposals.sets import listed
from negatives.randomness import uniforms
from negatives.types import Context, Csr

DENSE = 4
"""Levels of up to so many nodes for each draw of a row are scored by one matrix product, all nodes for all rows."""
STEEPEST = 15.0
"""Logits that depend on the query are cut here, so that every item keeps a chance."""
LEAST = 8
"""Pairs that must pass a node before it looks at the query."""
ROUNDS = 20
TINY = 1e-300
LITTLE = 1e-3
"""Below this share of what is allowed, sums of what is excluded lose digits: what is left is then listed."""


@dataclass(frozen=True, slots=True)
class DecisionTree:
    """Node ``h`` has the children ``2 h`` and ``2 h + 1``; the root is 1; leaves are the ``2^depth`` last nodes.

    ``log q(i | x) = sum_v log sigmoid(+- (w_v . x + b_v))`` over the nodes ``v`` on the way to the leaf of ``i``.
    A node with items on one side only has ``b = +-inf``.

    Args:
        order: ``(n_items,)`` int64 items from the first leaf to the last.
        place: ``(n_items,)`` int64 leaf of each item.
        starts: ``(2^depth + 1,)`` int64, items before each leaf, of which each holds one or none.
        bias: ``(2^depth,)`` float32 ``b``, of what training counts say.
        weights: ``(2^depth, width)`` float32 ``w``.
    """

    order: Tensor
    place: Tensor
    starts: Tensor
    bias: Tensor
    weights: Tensor

    @classmethod
    def build(cls, order: Tensor, mass: Tensor, width: int) -> DecisionTree:
        """A tree that does not look at the query yet: it draws in proportion to ``mass``.

        Args:
            order: ``(n_items,)`` int64 items from the first leaf to the last.
            mass: ``(n_items,)`` float64 weights, above 0.
            width: Length of the query's vectors.
        """
        starts = torch.tensor([0, order.numel()], device=order.device)
        for _ in range(max(order.numel() - 1, 0).bit_length()):
            starts = halves(starts)
        place = torch.empty_like(order)
        place[order] = (starts.diff() > 0).nonzero()[:, 0]
        side, bias = mass.new_zeros(starts.numel() - 1).index_copy_(0, place, mass), []
        while side.numel() > 1:  # sums from the leaves up, so that small weights are not lost beside large ones
            odds = side[1::2].log() - side[::2].log()
            bias.append(torch.nan_to_num(odds, nan=0.0, posinf=torch.inf, neginf=-torch.inf))
            side = side.view(-1, 2).sum(1)
        heap = torch.cat([mass.new_zeros(1), *bias[::-1]]).float()
        return cls(order, place, starts, heap, torch.zeros(heap.numel(), width, device=order.device))

    @property
    def depth(self) -> int:
        return (self.starts.numel() - 2).bit_length()

    def logits(self, x: Tensor, level: int, node: Tensor) -> Tensor:
        """Log-odds ``(rows, k)`` of the right child of nodes ``(rows, k)``, counted within their level."""
        first = 1 << level
        weights = self.weights[first : 2 * first]
        with in_float32(x):
            if first <= DENSE * node.shape[1]:
                linear = (x @ weights.T).gather(1, node)
            else:
                linear = torch.einsum("rkd,rd->rk", weights[node], x)
        return (linear.clamp(-STEEPEST, STEEPEST) + self.bias[first + node]).double()

    def log_prob(self, x: Tensor, ids: Tensor) -> Tensor:
        """Log-probability ``(rows, n)`` float64 of ``ids`` ``(rows, n)`` for vectors ``x`` ``(rows, width)``."""
        leaf = self.place[ids]
        total = torch.zeros(ids.shape, dtype=torch.float64, device=ids.device)
        for level in range(self.depth):
            right = leaf >> self.depth - level - 1
            logit = self.logits(x, level, right >> 1)
            total += logsigmoid(torch.where((right & 1).bool(), logit, -logit))
        return total

    def log_left(self, x: Tensor, exclude: Csr, queries: Tensor) -> Tensor:
        """Log-probability ``(rows, n_items)`` float64 of every item, -inf for those that are excluded."""
        items = torch.arange(self.order.numel(), device=x.device).expand(len(x), -1)
        return self.log_prob(x, items).masked_fill_(excluded_mask(exclude, queries), -torch.inf)

    def draw(
        self, x: Tensor, context: Context, k: int, key: int, gone: GoneLeaves | None = None
    ) -> tuple[Tensor, Tensor]:
        """Ids ``(rows, k)`` drawn by walking down from the root, and their log-probability with nothing excluded.

        With leaves gone, a child's chance is multiplied by the allowed share of what it leads to, so that the walk
        draws exactly from what is left and nothing is rejected. Ids are -1 where nothing is allowed.
        """
        slots = torch.arange(k, device=x.device)
        node = torch.zeros(x.shape[0], k, dtype=torch.int64, device=x.device)
        first, size = node, torch.full_like(node, self.order.numel())
        inside = None if gone is None else gone.entries(k)
        reach = torch.ones(node.shape, dtype=torch.float64, device=x.device)
        for level in range(self.depth):
            chance = go = self.logits(x, level, node).sigmoid()
            size_left = (size + 1) >> 1
            if gone is not None and inside is not None:
                go, middle = gone.right_of(first, size, inside, reach, chance)
            side = uniforms(derived(key, level), context.examples[:, None], slots) < go
            if inside is not None:
                inside = torch.where(side, middle, inside[0]), torch.where(side, inside[1], middle)
            reach = reach * torch.where(side, chance, 1.0 - chance)
            first, size = torch.where(side, first + size_left, first), torch.where(side, size >> 1, size_left)
            node = 2 * node + side
        ids = self.order[first.clamp(max=self.order.numel() - 1)]
        return ids if gone is None else torch.where(gone.any_left[:, None], ids, -1), reach.log()

    def fit(self, x: Tensor, items: Tensor, ridge: float) -> DecisionTree:
        """The same tree with decisions fitted to pairs, all nodes of a level together.

        ``min_w  -sum log sigmoid(+- (w . x + b)) + ridge |w|^2 / 2`` at each node that at least 8 pairs pass, by steps
        with Böhning's bound on the curvature, ``A = sum x x' / 4 + ridge``: each lowers the loss. Costs
        ``O(depth pairs (width^2 + 20 width))``.

        Args:
            x: ``(pairs, width)`` float32 vectors of the queries.
            items: ``(pairs,)`` int64 positives.
            ridge: Weight of the penalty.

        Source: Böhning, 1992, "Multinomial logistic regression algorithm".
        """
        leaf, weights = self.place[items], torch.zeros_like(self.weights)
        for level in range(self.depth):
            side = leaf >> self.depth - level - 1
            heap = (1 << level) + (side >> 1)
            passed = torch.bincount(heap, minlength=self.bias.numel())
            use = (passed[heap] >= LEAST) & self.bias[heap].isfinite()
            nodes, owner = torch.unique(heap[use], return_inverse=True)
            if nodes.numel():
                right = (side[use] & 1).float()
                weights[nodes] = _logistic(x[use], right, self.bias[heap[use]], owner, nodes.numel(), ridge)
        return DecisionTree(self.order, self.place, self.starts, self.bias, weights)


@dataclass(frozen=True, slots=True)
class GoneLeaves:
    """Excluded items of each row in the order of the leaves, and their probability.

    Args:
        n_items: Number of items.
        codes: ``(entries,)`` int64, ascending: row times ``n_items``, plus the items on leaves before this one.
        sums: ``(entries + 1,)`` float64 probability before each entry.
        ends: ``(rows + 1,)`` int64 entries before each row.
        log_rest: ``(rows,)`` float64 log of the probability that is allowed.
        any_left: ``(rows,)`` bool, some item is allowed.
        little: ``(n,)`` int64 rows of which so little is left that draws must list it.
    """

    n_items: int
    codes: Tensor
    sums: Tensor
    ends: Tensor
    log_rest: Tensor
    any_left: Tensor
    little: Tensor

    @classmethod
    def of(cls, tree: DecisionTree, x: Tensor, exclude: Csr, queries: Tensor) -> GoneLeaves:
        """What ``exclude`` takes from the rows of ``queries`` ``(rows,)`` with vectors ``x`` ``(rows, width)``."""
        rows, items, sizes = listed(exclude, queries)
        n_items = tree.order.numel()
        codes = (rows * n_items + tree.starts[tree.place[items]]).sort().values
        lost = tree.log_prob(x[rows], tree.order[codes % n_items][:, None])[:, 0].exp()
        sums = torch.cat([lost.new_zeros(1), lost.cumsum(0)])
        rest = 1.0 - torch.segment_reduce(lost, "sum", lengths=sizes, axis=0, unsafe=True)
        ends = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
        any_left = sizes < n_items
        log_rest = torch.where(any_left, rest.clamp(min=TINY).log(), -torch.inf)
        little = (any_left & (rest < LITTLE)).nonzero()[:, 0]
        for part in blocks(little, n_items):
            log_rest[part] = tree.log_left(x[part], exclude, queries[part]).logsumexp(1)
        return cls(n_items, codes, sums, ends, log_rest, any_left, little)

    def entries(self, k: int) -> tuple[Tensor, Tensor]:
        """First entry of each row and the one after its last, each ``(rows, k)``."""
        return self.ends[:-1, None].expand(-1, k), self.ends[1:, None].expand(-1, k)

    def right_of(
        self, first: Tensor, size: Tensor, inside: tuple[Tensor, Tensor], reach: Tensor, chance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Chance of the right child given that what is drawn is allowed; 0 or 1 where one side is all gone.

        Args:
            first: ``(rows, k)`` items on leaves before each node.
            size: ``(rows, k)`` items below each node.
            inside: First entry below each node and the one after its last, each ``(rows, k)``.
            reach: ``(rows, k)`` probability of each node, nothing excluded.
            chance: ``(rows, k)`` probability of its right child, given the node.

        Returns:
            The chance ``(rows, k)``, and the first entry of the right child ``(rows, k)``.
        """
        size_left, (low, high) = (size + 1) >> 1, inside
        rows = torch.arange(len(first), device=first.device)[:, None]
        middle = torch.searchsorted(self.codes, rows * self.n_items + first + size_left)
        middle_sum, allowed = self.sums[middle], []
        sides = (
            (middle - low, size_left, reach * (1.0 - chance), middle_sum - self.sums[low]),
            (high - middle, size >> 1, reach * chance, self.sums[high] - middle_sum),
        )
        for gone, items, reached, lost in sides:
            allowed.append(torch.where(gone < items, (reached - lost).clamp(min=TINY), 0.0))
        return allowed[1] / (allowed[0] + allowed[1]).clamp(min=TINY), middle


def _logistic(x: Tensor, y: Tensor, offset: Tensor, owner: Tensor, n: int, ridge: float) -> Tensor:
    """Weights ``(n, width)`` of ``n`` logistic regressions with offsets, of which each pair belongs to one."""
    width = x.shape[1]
    bound = total_rows(owner, (x[:, :, None] * x[:, None]).flatten(1) / 4, n).view(n, width, width)
    bound = bound + ridge * torch.eye(width, device=x.device)
    factor, weights = torch.linalg.cholesky(bound), x.new_zeros(n, width)
    for _ in range(ROUNDS):
        wrong = y - torch.sigmoid((x * weights[owner]).sum(1) + offset)
        slope = total_rows(owner, x * wrong[:, None], n) - ridge * weights
        weights = weights + torch.cholesky_solve(slope[:, :, None], factor)[:, :, 0]
    return weights
