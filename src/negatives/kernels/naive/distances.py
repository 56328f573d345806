"""Naive twins of :mod:`negatives.kernels.distances`, one pair at a time, for tests."""

from __future__ import annotations

import torch
from torch import Tensor


def _one(a: Tensor, b: Tensor, kind: str) -> Tensor:
    if kind == "dot":
        return sum((x * y for x, y in zip(a, b, strict=True)), torch.zeros(()))
    if kind == "l1":
        return -sum(((x - y).abs() for x, y in zip(a, b, strict=True)), torch.zeros(()))
    if kind == "l2":
        return -sum(((x - y) ** 2 for x, y in zip(a, b, strict=True)), torch.zeros(())).sqrt()
    half = len(a) // 2
    gaps = [((a[c] - b[c]) ** 2 + (a[half + c] - b[half + c]) ** 2).sqrt() for c in range(half)]
    return -sum(gaps, torch.zeros(()))


def pair_scores(vectors: Tensor, table: Tensor, ids: Tensor, kind: str) -> Tensor:
    rows = [[_one(vectors[r], table[item], kind) for item in row] for r, row in enumerate(ids.tolist())]
    return torch.tensor(rows).reshape(ids.shape)


def pool_scores(vectors: Tensor, pool: Tensor, kind: str) -> Tensor:
    return pair_scores(vectors, pool, torch.arange(len(pool)).expand(len(vectors), -1), kind)


def pair_backward(
    vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str, spare: int
) -> tuple[Tensor, Tensor, Tensor, int]:
    left, right = vectors.clone().requires_grad_(), table.clone().requires_grad_()
    with torch.enable_grad():
        for r, row in enumerate(ids.tolist()):
            for j, item in enumerate(row):
                (_one(left[r], right[item], kind) * grad[r, j]).backward()  # type: ignore[no-untyped-call]
    assert left.grad is not None
    assert right.grad is not None
    items = torch.tensor(list(dict.fromkeys(ids.flatten().tolist())), dtype=torch.int64)
    room = torch.zeros(spare, table.shape[1])
    return (
        left.grad,
        torch.cat([items, torch.zeros(spare, dtype=torch.int64)]),
        torch.cat([right.grad[items], room]),
        len(items),
    )


def add_rows(items: Tensor, sums: Tensor, n: int, ids: Tensor, rows: Tensor, size: int) -> tuple[Tensor, Tensor]:
    whole = torch.zeros(size, sums.shape[1])
    whole[items[:n]] = sums[:n]
    for item, row in zip(ids.tolist(), rows, strict=True):
        whole[item] += row
    distinct = torch.tensor(list(dict.fromkeys(items[:n].tolist() + ids.tolist())), dtype=torch.int64)
    return distinct, whole[distinct]
