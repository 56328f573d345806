"""The engine for GloVe: row-wise Adagrad over co-occurrence cells and sampled zero cells, by one kernel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.kernels.cells import Cells, Zeros, fit_cells_
from negatives.models.words.glove import Glove
from negatives.sampler.core import OBSERVED_ROWS
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.types import Context, State


@dataclass(slots=True)
class CellEngine(Engine):
    """Each cell moves its row, its column and their biases towards ``log x``; zero cells above their target go down.

    Adagrad keeps one sum for each vector and one for each bias; the original keeps one for each number.

    The loss told and the scores are those of the first 512 rows before the step.

    Raises:
        ConfigError: The loss is not ``squared``, the update is not Adagrad without weight decay, or the model is not on
            the CPU.
    """

    model: Glove
    model_type = Glove
    on_cpu = True
    family = "a model of co-occurrence, as glove is"
    _squares: tuple[Tensor, Tensor] = field(init=False, repr=False)
    _zeros: Zeros = field(init=False)

    def _prepare(self) -> None:
        kernel = self.loss.kernel()
        if kernel is None or kernel.kind != "squared":
            raise ConfigError("the engine of GloVe trains the model glove with the loss squared")
        if self.update.optimiser != "adagrad" or self.update.weight_decay:
            raise ConfigError("glove trains with optimiser.name=adagrad and without weight_decay")
        self._refuse_device(self.model.query_table, "glove")
        self._zeros = Zeros(self.model.zero_target, kernel.zeros)
        self._squares = torch.ones(self.model.n_queries, 2), torch.ones(self.model.n_items, 2)

    def step(self, context: Context, lr: float) -> Outcome:
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        rows = slice(0, OBSERVED_ROWS)
        seen = negatives.take(rows)
        target, weight = self.model.targets(context.examples)
        with torch.no_grad():
            positive = self.model.score(context.queries[rows], context.positives[rows])
            negative = self.model.score(context.queries[rows], seen.ids)
            rest = (positive - target[rows]) * weight[rows].sqrt()
            loss = finite(self.loss(rest, negative - self.model.zero_target, seen), context)
        start = self._spend("loss", start)
        cells = Cells(context.queries, context.positives, target, weight)
        tables = self.model.query_table.data, self.model.item_table.data
        fit_cells_(tables, self._squares, cells, negatives, self._zeros, lr)
        self._spend("update", start)
        return Outcome(loss, negatives, positive, negative)

    def state(self) -> State:
        return {"queries": self._squares[0].clone(), "items": self._squares[1].clone()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for table, name in zip(self._squares, ("queries", "items"), strict=True):
            table.copy_(state[name])
