"""What every guard does: mark candidates that may be false negatives."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.types import Candidates, Context, Csr, Negatives, Part


@dataclass(slots=True)
class Guard(Part, ABC):
    """A rule that says which candidates must not serve as negatives."""

    needs_queries: ClassVar[bool] = True
    """False where nothing is looked up by the query's id, so that a loop without query ids can have the guard."""

    @property
    def needs_scores(self) -> bool:
        """True when the guard reads the scores, so that it runs after scoring."""
        return False

    @property
    def keeps_log_q(self) -> bool:
        """False when the guard's marks break the promise of ``log_q``; the sampler then drops it."""
        return True

    def excluded(self) -> Csr | None:
        """Items that the proposal itself must not draw, per query: all that :meth:`allow` would mark; None for none.

        Draws per row then hold none of them, and the sampler asks :meth:`allow` only about pools of a batch.
        """
        return None

    def observe(self, context: Context, negatives: Negatives) -> None:
        """Learn from the negatives that were chosen; a guard with state overrides it."""

    @abstractmethod
    def allow(self, context: Context, candidates: Candidates) -> Tensor:
        """``(rows, m)`` bool, True where the candidate may stay. The sampler combines all guards by *and*."""
