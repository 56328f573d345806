"""Just below the positive."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.selection.base import Selection
from negatives.selection.picking import check_count, chosen, hardest_slots, masked, needed
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class SemiHard(Selection):
    """The hardest candidates among those that score below the positive, ``s < s⁺``. ``log_q`` is unknowable.

    Rows whose allowed candidates all score above the positive get no negative: ``ok`` is False. Differs from
    FaceNet: the candidates are drawn, not the rest of the batch, and the rank is by difficulty.

    Args:
        k: Negatives per row; at most as many as there are candidates are returned.

    Source: Schroff et al., FaceNet: A Unified Embedding for Face Recognition and Clustering, CVPR 2015.
    """

    k: int = 1

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        scores = needed(candidates.scores, "semi_hard", "candidate scores")
        positive = needed(candidates.positive_scores, "semi_hard", "scores of the positives")
        below = candidates.ok & (scores < positive[:, None])
        slots = hardest_slots(masked(needed(difficulty, "semi_hard", "a difficulty"), below), self.k)
        return chosen(candidates, slots, below.gather(1, slots))
