"""The engine for pairwise losses over two free tables when speed matters more than equal bits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import torch

from negatives import kernels
from negatives.errors import ConfigError
from negatives.kernels.hogwild import KINDS, LossKernel
from negatives.models import TableModel
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite, rows_of
from negatives.types import Context, State


@dataclass(slots=True)
class AsynchronousEngine(Engine):
    """Plain stochastic gradient descent, one pair at a time, threads side by side without locks.

    The sampler draws for the whole batch; then one kernel scores, differentiates and updates row by row, each on
    the tables as they are by then. Scores that the sampler chose by are those of the start of the batch. With one
    thread a run is repeatable bit by bit; with more the last digits differ.

    Source: Niu et al., Hogwild, NIPS 2011.

    Args:
        optimiser: ``async_sgd``.
        weight_decay: L2 factor; a row decays once for every pair that moves it.
        half: Not used; there is no matrix product.

    Raises:
        ConfigError: The model is not two free tables compared by ``dot`` on the CPU, or the loss is not pairwise.
    """

    optimiser: str = "async_sgd"
    weight_decay: float = 0.0
    half: bool = False

    def __post_init__(self) -> None:
        model = self.model
        if not isinstance(model, TableModel) or model.similarity != "dot" or model.query_table.device.type != "cpu":
            raise ConfigError("async_sgd trains two free tables with similarity dot on the CPU; choose sgd or adam")
        self._pairwise()

    def step(self, context: Context, lr: float) -> Outcome:
        assert isinstance(self.model, TableModel)
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        scores = kernels.async_pairs_(
            (self.model.query_table, self.model.item_table),
            context.queries,
            context.positives,
            negatives,
            loss=self._pairwise(),
            lr=lr,
            weight_decay=self.weight_decay,
        )
        start = self._spend("update", start)
        seen = slice(0, OBSERVED_ROWS)
        finite(scores.sum(), context)
        with torch.no_grad():
            loss = self.loss(scores[seen, 0], scores[seen, 1:], rows_of(negatives, seen))
        self._spend("loss", start)
        return Outcome(finite(loss, context), negatives, scores[:, 0], scores[:, 1:])

    def state(self) -> State:
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """There is nothing to restore but the model."""

    def _pairwise(self) -> LossKernel:
        """The loss, for the kernel."""
        loss = self.loss.kernel()
        if loss is None or loss.kind not in KINDS:
            raise ConfigError("async_sgd knows the losses bpr, hinge and logistic; choose one of them, or sgd or adam")
        return loss


__all__ = ["AsynchronousEngine"]
