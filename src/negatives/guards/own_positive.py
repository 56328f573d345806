"""The row's own right answer is not a negative."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.guards.base import Guard
from negatives.types import Candidates, Context


@dataclass(slots=True)
class OwnPositive(Guard):
    """Mark candidates equal to the positive of their own row.

    Keeps candidate ``i`` of a row with positive ``p`` when ``i != p``. Needs no data; ``known_positives`` covers
    it where all positives are known.

    Source: common practice; with in-batch negatives, the diagonal of Henderson et al., 2017.
    """

    needs_queries = False

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        return candidates.ids != context.positives[:, None]
