"""Walker's alias table: draws from any distribution over items in constant time, with any number of items."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve

QUANTUM = 2.0**52
"""Whole units into which probability one is cut where items are enumerated: integer sums are exact in any order."""


@dataclass(frozen=True, slots=True)
class AliasTable:
    """Alias table (Walker 1977, built as in Vose 1991), 12 bytes an item.

    Args:
        threshold: ``(n,)`` int32 that hold unsigned 32-bit numbers: a bucket keeps its own item when the
            lower 32 hashed bits are below it.
        alias: ``(n,)`` int32, the other item of the bucket.
        probability: ``(n,)`` float32, normalised probability of each item.
    """

    threshold: Tensor
    alias: Tensor
    probability: Tensor

    def to(self, device: torch.device | str) -> AliasTable:
        """The same table on another device."""
        return AliasTable(self.threshold.to(device), self.alias.to(device), self.probability.to(device))


def build_alias(weights: Tensor) -> AliasTable:
    """Build a table from non-negative weights ``(n,)``; weight zero is never drawn.

    Raises:
        ValueError: A weight is negative or not finite, or all are zero.

    >>> build_alias(torch.tensor([1.0, 0.0, 3.0])).probability.tolist()
    [0.25, 0.0, 0.75]
    """
    share = weights.detach().to("cpu", torch.float64, copy=True)
    total = float(share.sum())
    if not math.isfinite(total) or total <= 0 or float(share.min()) < 0:
        raise ValueError("weights must be finite, not negative, and not all zero")
    probability = share.div_(total).float()
    threshold, alias = serve("alias", share).fill_alias(share.mul_(share.numel()).numpy())
    made = AliasTable(torch.from_numpy(threshold.view("int32")), torch.from_numpy(alias), probability)
    return made.to(weights.device)
