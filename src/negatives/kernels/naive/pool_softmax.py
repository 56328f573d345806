"""Naive twin of the softmax over a shared pool, one row at a time in float64."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def pool_softmax_(
    scores: Tensor, positive: Tensor | None, scale: float, bias: Tensor | None, ok: Tensor | None
) -> tuple[Tensor, Tensor]:
    rows, m = scores.shape
    losses, grads = torch.zeros(rows), torch.zeros(rows)
    for r in range(rows):
        allowed = [j for j in range(m) if ok is None or ok[r, j]]
        more = [0.0] * m if bias is None else bias.expand(rows, m)[r].tolist()
        terms = {j: float(scores[r, j]) * scale + more[j] for j in allowed}
        own = None if positive is None else float(positive[r]) * scale
        scores[r] = 0
        if not allowed:
            continue
        top = max(terms.values())
        rest = top + math.log(sum(math.exp(term - top) for term in terms.values()))
        share = 1.0 if own is None else torch.sigmoid(torch.tensor(rest - own, dtype=torch.float64)).item()
        losses[r] = rest if own is None else max(rest - own, 0.0) + math.log1p(math.exp(-abs(rest - own)))
        grads[r] = 0.0 if own is None else -share * scale
        for j in allowed:
            scores[r, j] = math.exp(terms[j] - rest) * share * scale
    return losses, grads
