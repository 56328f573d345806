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
from negatives.types import Context, Negatives, State


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


__all__ = ["Engine", "Outcome", "finite", "rows_of"]
