"""What an engine is: the part that takes one training step."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.errors import NonFiniteScores
from negatives.losses.base import Loss
from negatives.models import Model
from negatives.sampler import Sampler
from negatives.sampler.core import OBSERVED_ROWS
from negatives.types import Context, Negatives, State

CELLS = 1 << 19
"""Scores with a shared pool that PyTorch differentiates at a time: they stay in the cache."""
BLOCK = 1 << 22
"""Scores with a shared pool that are held at a time."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gives back.

    Args:
        loss: Mean loss of the batch.
        negatives: What the sampler chose.
        positive: ``(rows,)`` detached scores of the positives.
        negative: ``(seen, k)`` detached scores of the negatives of the first rows: of all, or of as many as
            signals are measured on, where a shared pool's scores are streamed.
    """

    loss: float
    negatives: Negatives
    positive: Tensor
    negative: Tensor


@dataclass(slots=True)
class Engine(ABC):
    """Takes one training step.

    Args:
        model: What is trained.
        sampler: Where negatives come from.
        loss: What is minimised.
        seconds: Time spent so far by part of the step, besides the sampler's own.
    """

    model: Model
    sampler: Sampler
    loss: Loss
    seconds: dict[str, float] = field(default_factory=dict)

    @abstractmethod
    def step(self, context: Context, lr: float) -> Outcome:
        """Sample, score, differentiate and update for one batch.

        Raises:
            NonFiniteScores: The loss is NaN or infinite.
        """

    @abstractmethod
    def state(self) -> State:
        """The optimiser's memory."""

    @abstractmethod
    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""

    def _spend(self, part: str, start: float) -> float:
        now = perf_counter()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - start
        return now

    def _differentiate(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor, Tensor]:
        """The summed loss, and its gradient with respect to the scores ``(rows,)`` and ``(rows, k)``."""
        leaves = positive.detach().requires_grad_(), negative.detach().requires_grad_()
        with torch.enable_grad():
            loss = self.loss.rows(*leaves, negatives).sum()
        grad_positive, grad_negative = torch.autograd.grad(loss, leaves)
        return loss.detach(), grad_positive, grad_negative

    def _pool_gradient(self, positive: Tensor, scores: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor]:
        """The summed loss and the gradient of the positives; that of a shared pool's scores takes their place."""
        fused = self.loss.fused_(positive, scores, negatives)
        if fused is not None:
            return fused[0].sum(), fused[1]
        total, grads = torch.zeros((), device=scores.device), []
        step = max(1, CELLS // scores.shape[1])
        for at in range(0, len(scores), step):
            rows = slice(at, at + step)
            losses, grad, scores[rows] = self._differentiate(
                positive[rows], scores[rows].float(), rows_of(negatives, rows)
            )
            total += losses
            grads.append(grad)
        return total, torch.cat(grads)

    def _through_pool(self, vectors: Tensor, good: Tensor, bad: Tensor, half: bool, negatives: Negatives) -> PoolPass:
        """Score a pool that the batch shares by matrix products, and differentiate the summed loss.

        The scores are held for a block of rows at a time, never whole.

        Args:
            vectors: ``(rows, d)`` of the queries.
            good: ``(rows, d)`` of the positives.
            bad: ``(m, d)`` of the pool.
            half: Multiply in bfloat16.
            negatives: What the sampler returned.
        """
        start = perf_counter()
        positive = (vectors * good).sum(1)
        low, low_bad = (vectors.bfloat16(), bad.bfloat16()) if half else (vectors, bad)
        per_row, grad_bad, grad_pos = torch.empty_like(vectors), torch.zeros_like(bad), torch.empty_like(positive)
        total, seen = torch.zeros((), device=vectors.device), []
        block = max(1, BLOCK // len(bad))
        for at in range(0, len(vectors), block):
            rows = slice(at, at + block)
            scores = low[rows] @ low_bad.T
            start = self._spend("forward", start)
            if at < OBSERVED_ROWS:
                seen.append(scores[: OBSERVED_ROWS - at].to(torch.float32, copy=True))
            losses, grad_pos[rows] = self._pool_gradient(positive[rows], scores, rows_of(negatives, rows))
            total += losses
            start = self._spend("loss", start)
            per_row[rows] = scores @ low_bad
            grad_bad += scores.T @ low[rows]
            start = self._spend("backward", start)
        per_row.addcmul_(grad_pos[:, None], good)
        grad_good = grad_pos[:, None] * vectors
        self._spend("backward", start)
        return PoolPass(total, positive, torch.cat(seen), per_row, grad_good, grad_bad, grad_pos)


@dataclass(frozen=True, slots=True)
class PoolPass:
    """Scores, loss and gradients of a batch against a shared pool.

    Args:
        total: The loss, summed over the rows.
        positive: ``(rows,)`` scores of the positives.
        seen: ``(seen, m)`` scores of the first rows, on which signals are measured.
        queries: ``(rows, d)`` gradient of the queries' vectors.
        good: ``(rows, d)`` gradient of the positives' vectors.
        bad: ``(m, d)`` gradient of the pool's vectors.
        of_positive: ``(rows,)`` gradient of the positives' scores.
    """

    total: Tensor
    positive: Tensor
    seen: Tensor
    queries: Tensor
    good: Tensor
    bad: Tensor
    of_positive: Tensor


def rows_of(negatives: Negatives, rows: slice) -> Negatives:
    """The negatives of some rows."""
    parts = ("ids", "log_q", "ok", "weight", "scores", "positive_scores", "positive_log_q")
    taken = (getattr(negatives, part) for part in parts)
    return Negatives(*(None if part is None else part[rows] for part in taken))  # type: ignore[arg-type]


def finite(loss: Tensor, context: Context) -> float:
    """The loss as a number.

    Raises:
        NonFiniteScores: It is NaN or infinite.
    """
    value = float(loss)
    if value - value != 0.0:
        raise NonFiniteScores(
            f"the loss is {value} at step {context.step} (epoch {context.epoch}); lower the learning rate"
        )
    return value


__all__ = ["Engine", "Outcome", "PoolPass", "finite", "rows_of"]
