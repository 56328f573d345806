"""How varied the drawn items are: pure functions of how often each was drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor

HEAD = 0.2
"""The head is this share of the catalogue: the items that occur most often in training."""
TAIL = 0.5
"""The tail is this share of the catalogue: the items that occur least often in training."""


def relative_entropy(counts: Tensor, n_items: int) -> float:
    """Entropy of the distribution behind ``counts``, divided by ``log N``: 1 when all items are equally likely.

    Far fewer draws than items make the plain estimate too low, so that of Chao and Shen (2003) is taken:
    ``H = -sum p log p / (1 - (1 - p)^n)`` with ``p = C c / n`` and coverage ``C = 1 - f1 / n``, where ``f1`` items were
    drawn once. Never above 1.

    Args:
        counts: ``(u,)`` how often each drawn item was drawn, all positive.
        n_items: Items in the catalogue.

    >>> relative_entropy(torch.tensor([500, 500]), 4)
    0.5
    """
    n = int(counts.sum())
    if n == 0 or n_items < 2:
        return math.nan
    singles = min(int((counts == 1).sum()), n - 1)
    share = counts.to(torch.float64) * (1.0 - singles / n) / n
    seen = -torch.expm1(n * torch.log1p(-share.clamp(max=1 - 1e-12)))
    entropy = float(-(share * share.log() / seen).sum())
    return round(min(1.0, max(0.0, entropy / math.log(n_items))), 12)


def strata(popularity: Tensor) -> tuple[Tensor, Tensor]:
    """Which items are head and which are tail, ``(n_items,)`` bool each; ties go to the smaller id.

    Args:
        popularity: ``(n_items,)`` how often each item occurs in training.
    """
    order = torch.argsort(popularity, descending=True, stable=True)
    place = torch.empty_like(order)
    place[order] = torch.arange(order.numel(), device=order.device)
    n = order.numel()
    return place < max(1, round(HEAD * n)), place >= n - round(TAIL * n)
