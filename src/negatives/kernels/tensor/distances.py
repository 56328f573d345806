"""The comparisons of :mod:`negatives.kernels.distances` in plain tensor operations, for tensors on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from negatives.kernels.distances import compare
from negatives.kernels.tensor.scores import sum_rows
from negatives.kernels.tensor.segments import BUDGET

TINY = 1e-9


def _slope(left: Tensor, right: Tensor, scores: Tensor, kind: str) -> Tensor:
    """Gradient of the distance with respect to ``left``."""
    gap = left - right
    if kind == "l1":
        return gap.sign()
    if kind == "l2":
        return gap / (-scores).clamp(min=TINY)[..., None]
    real, imaginary = gap.chunk(2, dim=-1)
    length = torch.hypot(real, imaginary) + TINY
    return torch.cat([real / length, imaginary / length], -1)


def _step(rows: int, width: int, d: int) -> int:
    return max(1, min(rows, BUDGET // max(width * d, 1)))


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    out = torch.empty(ids.shape, dtype=vectors.dtype, device=ids.device)
    step = _step(ids.shape[0], ids.shape[1], vectors.shape[1])
    for at in range(0, len(ids), step):
        part = slice(at, at + step)
        out[part] = compare(vectors[part, None], table[ids[part]], kind)
    return out


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    if kind == "l1":
        return -torch.cdist(vectors, pool, p=1)
    step = _step(len(vectors), len(pool), vectors.shape[1])
    return torch.cat([compare(part[:, None], pool[None], kind) for part in vectors.split(step)])


def pair_backward(
    vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str, spare: int
) -> tuple[Tensor, Tensor, Tensor, int]:
    per_row = torch.empty_like(vectors)
    step = _step(ids.shape[0], ids.shape[1], vectors.shape[1])
    parts = []
    for at in range(0, len(ids), step):
        part = slice(at, at + step)
        left, right, weights = vectors[part, None], table[ids[part]], grad[part, :, None]
        slope = right if kind == "dot" else -_slope(left, right, scores[part], kind)
        per_row[part] = (weights * slope).sum(1)
        each = weights * (left if kind == "dot" else -slope)
        parts.append(sum_rows(ids[part].reshape(-1), each.reshape(-1, each.shape[2]), len(table)))
    items, sums = sum_rows(torch.cat([part[0] for part in parts]), torch.cat([part[1] for part in parts]), len(table))
    n = items.numel()
    return per_row, functional.pad(items, (0, spare)), functional.pad(sums, (0, 0, 0, spare)), n


def add_rows(items: Tensor, sums: Tensor, n: int, ids: Tensor, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    return sum_rows(torch.cat([items[:n], ids]), torch.cat([sums[:n], rows]), size)
