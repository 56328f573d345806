"""The very best-scored candidates are the likeliest false negatives: skip them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.guards.base import Guard
from negatives.guards.scores import scored
from negatives.parameters import Range
from negatives.types import Candidates, Context


@dataclass(slots=True)
class RankSkip(Guard):
    """Mark the ``n`` best-scored candidates of each row, among those still allowed.

    Which items are skipped depends on what else was drawn, so that ``log_q`` is lost. Of equal scores, the
    earlier slot ranks first.

    Source: Qu et al., 2021, "RocketQA", and Moreira et al., 2024, "NV-Retriever" (TopK shifted by N).

    Args:
        n: How many to skip in each row, rounded; a knob.
    """

    needs_queries = False
    tunable: ClassVar[Mapping[str, Range]] = {"n": Range(1, 32, whole=True)}
    n: Knob = 1

    @property
    def needs_scores(self) -> bool:
        """True."""
        return True

    @property
    def keeps_log_q(self) -> bool:
        """False: see the class."""
        return False

    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """See :meth:`Guard.allow`."""
        scores, _ = scored(candidates, "rank_skip")
        n = min(max(round(value_of(self.n, context.progress)), 0), scores.shape[1])
        best = scores.masked_fill(~candidates.ok, -torch.inf).argsort(dim=1, descending=True, stable=True)[:, :n]
        return torch.ones_like(candidates.ok).contiguous().scatter_(1, best, False)
