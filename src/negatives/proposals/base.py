"""What every proposal does: draw candidates and tell their exact log-probability."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from negatives.proposals import rejection
from negatives.types import Context, Csr, Part, Scorer


@dataclass(slots=True)
class Proposal(Part, ABC):
    """A distribution over items, possibly conditional on the query."""

    @property
    def conditional(self) -> bool:
        """True when the distribution depends on the query, so that no pool can be shared by a batch."""
        return False

    @property
    def needs_queries(self) -> bool:
        """True when something is kept or looked up by the query's id, so that a loop without ids cannot have it."""
        return self.conditional

    @property
    def of_batch(self) -> bool:
        """True when draws of a row depend on which other rows the batch has."""
        return False

    def observe(self, context: Context) -> None:
        """Take in one training batch after its negatives were drawn; learned proposals override it."""

    @property
    def needs_scorer(self) -> bool:
        """True when :meth:`refresh` uses the model."""
        return False

    def refresh(self, context: Context, scorer: Scorer) -> None:
        """Look at the model before a batch's negatives are drawn; proposals that follow its scores override it."""

    @abstractmethod
    def draw(self, context: Context, k: int, key: int, exclude: Csr | None = None) -> tuple[Tensor, Tensor]:
        """Draw ``k`` items with replacement for each row of ``context``.

        Args:
            context: The batch.
            k: Number of draws per row.
            key: Random stream; draw ``(row, slot)`` depends on ``(key, context.examples[row], slot)`` only, and on
                ``k`` where something is excluded.
            exclude: Items that must not be drawn, per query. The distribution is then the one conditional on
                not being excluded, and ``log_q`` is normalised accordingly.

        Returns:
            ids ``(rows, k)`` int64, -1 where no item is left, and log_q ``(rows, k)`` float32.
        """

    def pool(self, context: Context, k: int, key: int) -> tuple[Tensor, Tensor]:
        """Draw one pool of ``k`` items that all rows of the batch share; nothing is excluded.

        Args:
            context: The whole batch.
            k: Size of the pool; a proposal may give fewer or more items where it says so.
            key: Random stream; slot ``j`` depends on ``(key, context.step, j)``, and on the batch where that is drawn
                from.

        Returns:
            ids ``(m,)`` int64, -1 where there is no item, and log_q ``(m,)`` float32.
        """
        ids, log_q = self.draw(context.pooled(), k, key)
        return ids[0], log_q[0]

    @abstractmethod
    def log_prob(self, ids: Tensor, context: Context) -> Tensor:
        """Log-probability ``(rows, n)`` float32 of ``ids`` ``(rows, n)`` for each row, nothing excluded."""

    def empty(self, context: Context) -> Tensor | None:
        """``(rows,)`` bool, rows for which there is no item at all to draw; None where there always is one.

        A mixture gives the share of such a part to its others.
        """
        return None

    def log_allowed(self, context: Context, exclude: Csr) -> Tensor:
        """``(rows,)`` float32, ``log(1 - Q(excluded))`` for each row's query; -inf where nothing is left."""
        return rejection.log_allowed(self, context, exclude)
