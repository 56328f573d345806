"""The engine for pairwise losses over two free tables when speed matters more than equal bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter

import torch

from negatives import kernels
from negatives.errors import ConfigError
from negatives.kernels.hogwild import KINDS, LossKernel
from negatives.models import TableModel
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.types import Context


@dataclass(slots=True)
class AsynchronousEngine(Engine):
    """Plain stochastic gradient descent, one pair at a time, threads side by side without locks.

    The sampler draws for the whole batch; then one kernel scores, differentiates and updates row by row, each on
    the tables as they are by then. Scores that the sampler chose by are those of the start of the batch. With one
    thread a run is repeatable bit by bit; with more the last digits differ.

    Source: Niu et al., Hogwild, NIPS 2011.

    Raises:
        ConfigError: The model is not two free tables compared by ``dot`` on the CPU, or the loss has no kernel.
    """

    model: TableModel
    model_type = TableModel
    on_cpu = True
    family = "made of two free tables, which async_sgd needs; choose sgd or adam"
    _kernel: LossKernel = field(init=False)

    def _prepare(self) -> None:
        if self.model.similarity != "dot" or self.model.query_table.device.type != "cpu":
            raise ConfigError("async_sgd trains two free tables with similarity dot on the CPU; choose sgd or adam")
        kernel = self.loss.kernel()
        if kernel is None or kernel.kind not in KINDS:
            known = f"{', '.join(KINDS[:-1])} and {KINDS[-1]}"
            raise ConfigError(f"async_sgd knows the losses {known}; choose one of them, or sgd or adam")
        self._kernel = kernel

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        scores = kernels.async_pairs_(
            (self.model.query_table, self.model.item_table),
            context.queries,
            context.positives,
            negatives,
            loss=self._kernel,
            lr=lr,
            weight_decay=self.update.weight_decay,
        )
        start = self._spend("update", start)
        seen = slice(0, OBSERVED_ROWS)
        finite(scores.sum(), context)
        with torch.no_grad():
            loss = self.loss(scores[seen, 0], scores[seen, 1:], negatives.take(seen))
        self._spend("loss", start)
        return Outcome(finite(loss, context), negatives, scores[:, 0], scores[:, 1:])
