"""Distinct ids, so that each is encoded once."""

from __future__ import annotations

import torch
from torch import Tensor

SPARSE = 16
"""Ids there may be for each slot, above which equal ones are found by sorting rather than in a table of all."""


def distinct(ids: Tensor, n: int | None = None) -> tuple[Tensor, Tensor]:
    """The distinct ids ``(u,)`` in ascending order, and the place of each id among them.

    Args:
        ids: int64 of any shape, from 0.
        n: A number above all of them; found when None.

    Returns:
        The ids ``(u,)``, and places of the shape of ``ids``.

    >>> distinct(torch.tensor([7, 2, 7]))
    (tensor([2, 7]), tensor([1, 0, 1]))
    """
    most = n if n is not None else int(ids.max()) + 1 if ids.numel() else 0
    if most > SPARSE * ids.numel():
        found, places = torch.unique(ids, return_inverse=True)
        return found, places
    present = torch.zeros(most, dtype=torch.bool, device=ids.device)
    present[ids.reshape(-1)] = True
    return present.nonzero()[:, 0], (present.cumsum(0) - 1)[ids]
