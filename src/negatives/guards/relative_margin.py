"""Candidates must score below a share of the positive's score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.guards.base import Guard
from negatives.guards.scores import scored
from negatives.parameters import Range
from negatives.types import Candidates, Context


@dataclass(slots=True)
class RelativeMargin(Guard):
    """Keep candidates that score below a share of the positive's score.

    ``s < s⁺ - (1 - share) |s⁺|``, which is ``s < share * s⁺`` for positive scores. The paper has only the latter,
    which for a negative ``s⁺`` would let candidates through that score above the positive.

    Source: Moreira et al., 2024, "NV-Retriever: improving text embedding models with effective hard-negative
    mining" (TopK-PercPos, there with share 0.95).

    Args:
        share: Usually between 0 and 1; a knob.
    """

    needs_queries = False
    tunable: ClassVar[Mapping[str, Range]] = {"share": Range(0.8, 1.0, log=False)}
    share: Knob = 0.95

    @property
    def needs_scores(self) -> bool:
        """True."""
        return True

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        scores, positive = scored(candidates, "relative_margin")
        share = value_of(self.share, context.progress)
        return scores < positive - (1.0 - share) * positive.abs()
