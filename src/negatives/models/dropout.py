"""Dropout whose masks come from a stream of their own."""

from __future__ import annotations

import torch
from torch import Tensor


def dropped(x: Tensor, share: float, random: torch.Generator | None) -> Tensor:
    """Zero a share of the numbers and scale up the others (Srivastava et al., 2014).

    Args:
        x: Of any shape.
        share: Share of the numbers that becomes zero.
        random: Where the mask is drawn from, on the device of ``x``; None outside training, for ``x`` itself.
    """
    if random is None or share == 0:
        return x
    kept = torch.empty_like(x).bernoulli_(1 - share, generator=random)
    return x * kept / (1 - share)
