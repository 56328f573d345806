"""Naive twins of :mod:`negatives.kernels.knowledge`, one pair at a time, for tests."""

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


def _leaves(vectors: Tensor, table: Tensor, ids: Tensor, grad: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Gradients of both, by PyTorch, one pair at a time."""
    left, right = vectors.clone().requires_grad_(), table.clone().requires_grad_()
    with torch.enable_grad():
        for r, row in enumerate(ids.tolist()):
            for j, item in enumerate(row):
                if grad[r, j] != 0:
                    (_one(left[r], right[item], kind) * grad[r, j]).backward()  # type: ignore[no-untyped-call]
    zero = torch.zeros(())
    return (
        left.grad if left.grad is not None else zero * vectors,
        right.grad if right.grad is not None else zero * table,
    )


def rows_backward(vectors: Tensor, table: Tensor, ids: Tensor, scores: Tensor, grad: Tensor, kind: str) -> Tensor:
    return _leaves(vectors, table, ids, grad, kind)[0]


def items_backward(
    vectors: Tensor,
    table: Tensor,
    ids: Tensor,
    scores: Tensor,
    grad: Tensor,
    kind: str,
    extra_ids: Tensor,
    extra: Tensor,
) -> tuple[Tensor, Tensor]:
    whole = _leaves(vectors, table, ids, grad, kind)[1].index_add(0, extra_ids, extra)
    used = [item for item, g in zip(ids.flatten().tolist(), grad.flatten().tolist(), strict=True) if g != 0]
    touched = torch.tensor(list(dict.fromkeys(used + extra_ids.tolist())), dtype=torch.int64)
    return touched, whole[touched]
