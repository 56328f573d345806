"""Every candidate serves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.selection.base import Selection
from negatives.selection.picking import everything
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class All(Selection):
    """Every candidate serves; a shared pool stays shared, so that one matrix product scores it. ``log_q`` is kept."""

    @property
    def needs_difficulty(self) -> bool:
        return False

    @property
    def keeps_proposal(self) -> bool:
        return True

    @property
    def takes_all(self) -> bool:
        return True

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        return everything(candidates)
