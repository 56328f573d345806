"""Items in clusters of their vectors: by k-means, or by halving again and again so that all have one size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.kernels import total_rows
from negatives.kernels.precision import in_float32
from negatives.randomness import Purpose, bits, bounded, permutation, stream

PER_CLUSTER = 128
"""Items of the sample that k-means learns from, for each cluster."""
SAMPLE = 1 << 17
"""Items of the sample from which one halving of all parts learns its directions, at least."""
CELLS = 1 << 23
"""Products that are held at a time."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Items laid out cluster by cluster, with whole-number weights within each.

    Args:
        of: ``(n_items,)`` int64 cluster of each item.
        order: ``(n_items,)`` int64 items, cluster by cluster.
        place: ``(n_items,)`` int64 place of each item in ``order``.
        starts: ``(n + 1,)`` int64 place where each cluster begins.
        weight: ``(n_items,)`` int64 weight of each item, at least 1.
        sums: ``(n_items + 1,)`` int64 weight before each place of ``order``.
        centroids: ``(n, d)`` float32 means of the items' vectors, or ``(n, 0)`` before there are any.
    """

    of: Tensor
    order: Tensor
    place: Tensor
    starts: Tensor
    weight: Tensor
    sums: Tensor
    centroids: Tensor

    @classmethod
    def build(cls, of: Tensor, weight: Tensor, centroids: Tensor) -> Clusters:
        """Lay out items; the arguments are those of the class.

        >>> Clusters.build(torch.tensor([1, 0, 1]), torch.ones(3, dtype=torch.int64), torch.zeros(2, 0)).order
        tensor([1, 0, 2])
        """
        order = torch.argsort(of, stable=True)
        place = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=of.device))
        starts = _before(torch.bincount(of, minlength=len(centroids)))
        return cls(of, order, place, starts, weight, _before(weight[order]), centroids)

    @property
    def n(self) -> int:
        """Number of clusters, empty ones included."""
        return len(self.centroids)

    def sizes(self) -> Tensor:
        """``(n,)`` int64 items of each cluster."""
        return self.starts.diff()

    def totals(self) -> Tensor:
        """``(n,)`` int64 weight of each cluster."""
        return self.sums[self.starts].diff()


def k_means(vectors: Tensor, n: int, key: int, start: Tensor | None = None, rounds: int = 8) -> tuple[Tensor, Tensor]:
    """Clusters by Lloyd's rounds on a sample of at most ``128 n`` items, then one assignment of all.

    Costs ``O((128 rounds n + items) n d)``. A cluster that runs empty moves to the item that fits its own worst.

    Args:
        vectors: ``(n_items, d)`` float32.
        n: Number of clusters.
        key: Random stream of the sample and of the first centroids.
        start: ``(n, d)`` first centroids, those of an earlier run; items of the sample when None.
        rounds: Rounds of assigning and averaging.

    Returns:
        Cluster of each item ``(n_items,)`` int64, and centroids ``(n, d)``, the means of their items.

    Source: Lloyd, 1982, "Least squares quantization in PCM".

    >>> k_means(torch.tensor([[0.0], [0.1], [5.0], [5.2]]), 2, 7)[0].bincount()
    tensor([2, 2])
    """
    sample = vectors[permutation(key, len(vectors))[: PER_CLUSTER * n].to(vectors.device)]
    centroids = sample[:n].clone() if start is None else start
    for _ in range(rounds):
        of, fit = _nearest(sample, centroids)
        centroids = means(sample, of, n, centroids)
        empty = (torch.bincount(of, minlength=n) == 0).nonzero()[:, 0]
        if empty.numel():
            worst = fit.topk(min(empty.numel(), len(sample))).indices
            centroids[empty[: worst.numel()]] = sample[worst]
    of, _ = _nearest(vectors, centroids)
    return of, means(vectors, of, n, centroids)


def bisect(vectors: Tensor, depth: int, key: int, rounds: int = 3) -> tuple[Tensor, Tensor]:
    """Halve the items ``depth`` times, each half the nearer to one of two means: clusters of equal size.

    All parts of one depth are halved together; the means are those of all items, or of a sample of some 128 of each
    part. Costs ``O(depth (items + rounds sample) (d + log items))``.

    Args:
        vectors: ``(n_items, d)`` float32.
        depth: Halvings.
        key: Random stream.
        rounds: Rounds of two means for each halving, the last of them of all items.

    Returns:
        Items ``(n_items,)`` int64, part by part, and where each of the ``2^depth`` parts begins
        ``(2^depth + 1,)``. The first half of an odd part has one item more.

    Source: Prabhu et al., 2018, "Parabel: partitioned label trees for extreme classification", there with spherical
    means.

    >>> order, starts = bisect(torch.tensor([[3.0], [0.0], [3.1], [0.2]]), 1, 7)
    >>> sorted(sorted(part.tolist()) for part in order.split(2)), starts.tolist()
    ([[0, 2], [1, 3]], [0, 2, 4])
    """
    order = torch.arange(len(vectors), device=vectors.device)
    starts = torch.tensor([0, len(vectors)], device=vectors.device)
    for level in range(depth):
        middle = starts[:-1] + (starts.diff() + 1) // 2
        order = _halve(vectors, order, starts, middle, stream(key, Purpose.INIT, level), rounds)
        starts = halves(starts)
    return order, starts


def halves(starts: Tensor) -> Tensor:
    """Where the parts begin once each has been halved.

    >>> halves(torch.tensor([0, 3, 4])).tolist()
    [0, 2, 3, 4, 4]
    """
    middle = starts[:-1] + (starts.diff() + 1) // 2
    return torch.cat([torch.stack([starts[:-1], middle], 1).flatten(), starts[-1:]])


def principal(vectors: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Standard deviations ``(m,)`` and axes ``(d, m)`` of the ``m = min(dim, d)`` widest directions, the widest last.

    Args:
        vectors: ``(n, d)`` float32; evenly spaced ones are looked at where there are more than 64 for each dimension.
        dim: Directions.
    """
    d = vectors.shape[1]
    some = vectors[:: max(1, len(vectors) // (64 * d))].double()
    away = some - some.mean(0)
    values, axes = torch.linalg.eigh(away.T @ away / len(some))
    return values[-dim:].clamp(min=0).sqrt().float(), axes[:, -dim:].float()


def means(vectors: Tensor, of: Tensor, n: int, otherwise: Tensor) -> Tensor:
    """Means ``(n, d)`` of the vectors ``(items, d)`` of each cluster; ``otherwise`` ``(n, d)`` where there is none."""
    counts = torch.bincount(of, minlength=n)
    sums = total_rows(of, vectors, n)
    return torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], otherwise)


def _before(sizes: Tensor) -> Tensor:
    """Sums of what comes before, ``(n + 1,)`` from ``(n,)``."""
    return torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])


def _nearest(vectors: Tensor, centroids: Tensor) -> tuple[Tensor, Tensor]:
    """Nearest centroid of each vector ``(items,)``, and the squared distance to it ``(items,)``."""
    half, found = centroids.square().sum(1) / 2, []
    columns = centroids.T.contiguous()
    for some in torch.split(vectors, max(1, CELLS // len(centroids))):
        with in_float32(some):
            best = torch.addmm(half, some, columns, beta=-1.0).max(1)
        found.append((best.indices, some.square().sum(1) - 2 * best.values))
    return torch.cat([of for of, _ in found]), torch.cat([fit for _, fit in found])


def _halve(vectors: Tensor, order: Tensor, starts: Tensor, middle: Tensor, key: int, rounds: int) -> Tensor:
    """The items in an order where the half before ``middle`` of each part is nearer to one mean than to the other."""
    sizes, n = starts.diff(), len(middle)
    parts = torch.arange(n, device=order.device)
    part = torch.repeat_interleave(parts, sizes)
    drawn = bounded(bits(key, parts[:, None], torch.arange(2, device=order.device)), sizes[:, None])
    ends = order[(starts[:-1, None] + drawn).clamp(max=len(order) - 1)]
    direction = vectors[ends[:, 1]] - vectors[ends[:, 0]]
    apart = max(1, len(order) // max(SAMPLE, PER_CLUSTER * n))
    direction = _two_means(vectors, order[::apart], part[::apart], direction, rounds)
    return order[_sorted_within(_along(vectors, order, direction, part), part)]


def _two_means(vectors: Tensor, some: Tensor, part: Tensor, direction: Tensor, rounds: int) -> Tensor:
    """Directions ``(n, d)`` from one mean of each part to the other, after rounds of halving ``some`` of the items."""
    n = len(direction)
    sizes = torch.bincount(part, minlength=n)
    middle = sizes.cumsum(0) - sizes // 2
    after = torch.arange(len(some), device=some.device) >= middle[part]
    for _ in range(rounds - 1):
        some = some[_sorted_within(_along(vectors, some, direction, part), part)]
        side = means(vectors[some], 2 * part + after, 2 * n, vectors.new_zeros(2 * n, vectors.shape[1]))
        direction = torch.where(sizes[:, None] > 1, side[1::2] - side[::2], direction)
    return direction


def _along(vectors: Tensor, order: Tensor, direction: Tensor, part: Tensor) -> Tensor:
    """Products ``(items,)`` of each item's vector and the direction of its part, block by block."""
    size = max(1, CELLS // max(1, vectors.shape[1]))
    pairs = zip(torch.split(order, size), torch.split(part, size), strict=True)
    return torch.cat([(vectors[some] * direction[of]).sum(1) for some, of in pairs])


def _sorted_within(values: Tensor, part: Tensor) -> Tensor:
    """Places that sort ``values`` within each part; ``part`` ascends."""
    by_value = torch.argsort(values, stable=True)
    return by_value[torch.argsort(part[by_value], stable=True)]
