"""The engine of models that are computed, not trained: one step that changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch

from negatives.models import Model
from negatives.training.engines.base import Engine, Outcome
from negatives.types import Context, Negatives, State


class CountedEngine(Engine):
    """Draws nothing and moves nothing; the one step begins the run folder."""

    model_type: ClassVar[type[Model]] = Model
    most: ClassVar[int | None] = 1

    def _prepare(self) -> None:
        """Nothing can be wrong."""

    def step(self, context: Context, lr: float) -> Outcome:
        zeros = torch.zeros(context.rows, 1, device=context.device)
        negatives = Negatives(zeros.long(), None, zeros.bool())
        return Outcome(0.0, negatives, zeros[:, 0], zeros)

    def state(self) -> State:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """There is nothing to restore."""
