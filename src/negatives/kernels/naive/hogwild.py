"""Updates of pairs, one row at a time."""

from __future__ import annotations

import torch
from torch import Tensor

from negatives.kernels.hogwild import LossKernel
from negatives.types import Negatives


def async_pairs_(
    tables: tuple[Tensor, Tensor],
    queries: Tensor,
    positives: Tensor,
    negatives: Negatives,
    loss: LossKernel,
    lr: float,
    weight_decay: float,
) -> Tensor:
    (query_table, item_table), ids, kind = tables, negatives.ids, loss.kind
    scores = torch.empty(ids.shape[0], ids.shape[1] + 1)
    for r in range(ids.shape[0]):
        vector, slots = query_table[queries[r]].clone(), torch.cat([positives[r : r + 1], ids[r]])
        scores[r] = item_table[slots] @ vector
        allowed = negatives.ok[r]
        if not bool(allowed.any()):
            continue
        low = scores[r, 1:] - (0.0 if kind == "logistic" else scores[r, 0]) + loss.margin
        pushes = (low > 0).float() if kind == "hinge" else torch.sigmoid(low)
        pushes = pushes * allowed * (1.0 if negatives.weight is None else negatives.weight[r])
        pushes = pushes / (allowed.sum() if loss.mean else 1)
        pull = torch.sigmoid(-scores[r, 0] - loss.margin) if kind == "logistic" else pushes.sum()
        total = torch.zeros_like(vector)
        for slot, grad in zip(slots.tolist(), [-pull, *pushes], strict=True):
            if grad != 0:
                total += grad * item_table[slot]
                item_table[slot] = (1 - lr * weight_decay) * item_table[slot] - lr * grad * vector
        query_table[queries[r]] = (1 - lr * weight_decay) * vector - lr * total
    return scores
