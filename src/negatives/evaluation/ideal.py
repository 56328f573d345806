"""The best that a query could get."""

from __future__ import annotations

import torch
from torch import Tensor


def highest(owners: Tensor, values: Tensor, rows: Tensor, k: int) -> Tensor:
    """The ``k`` largest values of each row, ``(n, k)``, highest first, filled up with 0.

    Args:
        owners: ``(m,)`` int64 row of each value, in any order.
        values: ``(m,)``.
        rows: ``(n,)`` int64 rows asked for.
        k: How many.

    >>> highest(torch.tensor([5, 2, 5]), torch.tensor([1, 7, 3]), torch.tensor([2, 5, 6]), 2).tolist()
    [[7, 0], [3, 1], [0, 0]]
    """
    if values.numel() == 0:
        return values.new_zeros(rows.numel(), k)
    order = torch.argsort(values, descending=True, stable=True)
    order = order[torch.argsort(owners[order], stable=True)]
    owners, values = owners[order].contiguous(), values[order]
    start, stop = torch.searchsorted(owners, rows), torch.searchsorted(owners, rows, right=True)
    places = start[:, None] + torch.arange(k)
    return torch.where(places < stop[:, None], values[places.clamp(max=values.numel() - 1)], 0)
