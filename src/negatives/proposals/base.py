"""What every proposal does: draw candidates and tell their exact log-probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from negatives.types import Context, Csr, Part


@dataclass(slots=True)
class Proposal(Part, ABC):
    """A distribution over items, possibly conditional on the query."""

    @property
    def conditional(self) -> bool:
        """True when the distribution depends on the query, so that no pool can be shared by a batch."""
        return False

    @abstractmethod
    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """Draw ``k`` items with replacement for each row of ``context``.

        Args:
            context: The batch; ``context.pooled()`` when one pool serves the whole batch.
            k: Number of draws per row.
            key: Random stream; draw ``(row, slot)`` depends on ``(key, context.examples[row], slot)`` only.
            exclude: Items that must not be drawn, per query. The distribution is then the one conditional on
                not being excluded, and ``log_q`` is normalised accordingly.

        Returns:
            ids ``(rows, k)`` int64, -1 where no item is left, and log_q ``(rows, k)`` float32.
        """

    @abstractmethod
    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """Log-probability ``(rows, n)`` float32 of ``ids`` ``(rows, n)`` for each row, nothing excluded."""
