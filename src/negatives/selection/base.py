"""What a difficulty and a selection do: say how hard candidates are, and choose among them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from negatives.types import Candidates, Context, Negatives, Part, Scorer


@dataclass(slots=True)
class Difficulty(Part, ABC):
    """What "hard" means."""

    @property
    def needs_scores(self) -> bool:
        """True when :meth:`of` reads ``candidates.scores``."""
        return False

    @abstractmethod
    def of(self, context: Context, candidates: Candidates, scorer: Scorer) -> Tensor:
        """Difficulty ``(rows, m)`` float of each candidate; larger is harder."""


@dataclass(slots=True)
class Selection(Part, ABC):
    """Which candidates become negatives, and with what weight."""

    @property
    def needs_difficulty(self) -> bool:
        """True when the choice depends on the difficulty; the sampler scores candidates only then."""
        return True

    @property
    def keeps_proposal(self) -> bool:
        """True when each chosen slot still follows the proposal, so that its probability of the positive compares."""
        return False

    @property
    def takes_all(self) -> bool:
        """True when every candidate serves, with its own weight of one; equal ones may then be made one before."""
        return False

    @abstractmethod
    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        """Choose ``k`` negatives per row out of ``m`` candidates.

        Args:
            context: The batch.
            candidates: What was drawn, with ``ok`` already combined from all guards.
            difficulty: ``(rows, m)`` float, or None when ``needs_difficulty`` is False.
            key: Random stream of the selection.

        Returns:
            Negatives whose ``ok`` is False in every slot that no allowed candidate could fill, and whose
            ``log_q`` keeps the promise of :class:`negatives.types.Negatives` or is None.
        """
