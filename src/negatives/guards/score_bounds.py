"""Candidates must score within fixed bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.guards.base import Guard
from negatives.guards.scores import scored
from negatives.types import Candidates, Context


@dataclass(slots=True)
class ScoreBounds(Guard):
    """Keep candidates whose score lies within two bounds, both included.

    ``low <= s <= high``.

    Source: Moreira et al., 2024, "NV-Retriever: improving text embedding models with effective hard-negative
    mining" (TopK-Abs, an upper bound alone).

    Args:
        low: Least score; a knob.
        high: Greatest score; a knob.
    """

    needs_queries = False
    low: Knob = -math.inf
    high: Knob = math.inf

    @property
    def needs_scores(self) -> bool:
        """True."""
        return True

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        scores, _ = scored(candidates, "score_bounds")
        low, high = value_of(self.low, context.progress), value_of(self.high, context.progress)
        return (scores >= low) & (scores <= high)
