"""The same item twice in a row counts once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.guards.base import Guard
from negatives.types import Candidates, Context, shared_pool


@dataclass(slots=True)
class Duplicates(Guard):
    """Mark every later copy of an item within a row, or within a shared pool.

    Keeps slot ``j`` when no earlier allowed slot of the row holds the same item. What is left is no longer a
    sample with replacement, each item of which has probability ``q``: a sum over it, weighted by ``1 / q``,
    falls short of the full sum. So the guard says that ``log_q`` is lost, and losses that need it refuse.

    Source: unique candidate draws as in TensorFlow's candidate samplers (Jean et al., 2015, for the loss).
    """

    needs_queries = False

    @property
    def keeps_log_q(self) -> bool:
        """False: see the class."""
        return False

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        pool = shared_pool(candidates.ids)
        if pool is not None:
            return ~later_copies(pool[None]).expand(candidates.ids.shape)
        slots = torch.arange(candidates.ids.shape[1], device=candidates.ids.device)
        return ~later_copies(torch.where(candidates.ok, candidates.ids, -1 - slots))


def later_copies(ids: Tensor) -> Tensor:
    """``(rows, m)`` bool, True where an earlier slot of the row holds the same id.

    >>> later_copies(torch.tensor([[5, 3, 5, 5]]))
    tensor([[False, False,  True,  True]])
    """
    ordered, slots = ids.sort(dim=1, stable=True)
    same = torch.zeros_like(ids, dtype=torch.bool)
    same[:, 1:] = ordered[:, 1:] == ordered[:, :-1]
    return torch.zeros_like(same).scatter_(1, slots, same)
