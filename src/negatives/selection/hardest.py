"""The hardest candidates: dynamic negative sampling."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen, hardest_slots, masked, needed
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class Hardest(Selection):
    """The ``k`` hardest of the candidates, hardest first; equal ones in slot order. ``log_q`` is unknowable.

    Args:
        k: Negatives per row; at most as many as there are candidates are returned.

    Source: Zhang et al., Optimizing Top-N Collaborative Filtering via Dynamic Negative Item Sampling, SIGIR 2013.
    """

    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        slots = hardest_slots(masked(needed(difficulty, "hardest", "a difficulty"), candidates.ok), self.k)
        return chosen(candidates, slots, candidates.ok.gather(1, slots))
