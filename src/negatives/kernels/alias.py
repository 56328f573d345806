"""Walker's alias table: draws from any distribution over items in constant time, with any number of items."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from negatives.kernels.dispatch import serve

QUANTUM = 2.0**62
"""Whole units into which probability one is cut where items are enumerated: integer sums are exact in any order."""
LEAST = 1 << 60
"""Units that the allowed items together have at least; where they have fewer, units are halved until they do."""
CELLS = 256
"""Cells of a bucket."""
FINE = 2.0**53
"""Whole units of a cell: as many as the second word of a draw tells apart."""


@dataclass(frozen=True, slots=True)
class AliasTable:
    """Alias table (Walker 1977, built as in Vose 1991), 17 bytes an item.

    A draw multiplies one hashed word ``h`` by ``n``. The upper 64 bits of the product are its bucket, the uppermost 8
    of the lower 64 bits one of 256 cells of the bucket. The bucket's own item has the first cells, the other one the
    last; in the cell between them 53 bits of another word decide. A cell holds at least 2^25 words, so an item's share
    of all words is its probability to within 3e-8 of it, at any ``n`` below 2^31.

    Args:
        cell: ``(n,)`` uint8, the number of cells that are the own item's whole: the cell in which both meet.
        fine: ``(n,)`` int64, the own item's part of that cell in units of 2^-53.
        alias: ``(n,)`` int32, the other item of the bucket; the same where the bucket has no other.
        probability: ``(n,)`` float32, normalised probability of each item.
    """

    cell: Tensor
    fine: Tensor
    alias: Tensor
    probability: Tensor

    def state(self) -> dict[str, Tensor]:
        """Its parts by name, on the CPU."""
        return {part.name: getattr(self, part.name).cpu() for part in fields(self)}

    def to(self, device: torch.device | str) -> AliasTable:
        """The same table on another device."""
        return AliasTable(*(getattr(self, part.name).to(device) for part in fields(self)))


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
    share.masked_fill_(probability == 0, 0.0)  # what log q calls impossible is never drawn
    parts = serve("alias", share).fill_alias(share.mul_(share.numel()).numpy())
    cell, fine, alias = (torch.from_numpy(part) for part in parts)
    return AliasTable(cell, fine, alias, probability).to(weights.device)
