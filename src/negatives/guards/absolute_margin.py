"""Candidates must score below the positive by a fixed margin."""

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
class AbsoluteMargin(Guard):
    """Keep candidates that score below the positive by more than a margin.

    ``s < s⁺ - margin``. A negative margin lets candidates score above the positive by up to that much.

    Source: Moreira et al., 2024, "NV-Retriever: improving text embedding models with effective hard-negative
    mining" (TopK-MarginPos, there with margin 0.05 on cosine scores).

    Args:
        margin: In units of the score; a knob.
    """

    needs_queries = False
    tunable: ClassVar[Mapping[str, Range]] = {"margin": Range(0.1, 10.0, relative=True)}
    margin: Knob = 0.05

    @property
    def needs_scores(self) -> bool:
        """True."""
        return True

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        scores, positive = scored(candidates, "absolute_margin")
        return scores < positive - value_of(self.margin, context.progress)
