"""The engine for any module: PyTorch differentiates all the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.models import Model
from negatives.ranks import Ranks
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.divided import Divided, part_of
from negatives.training.engines.pool import PoolProducts, through_pool
from negatives.types import Context, Negatives, State


@dataclass(slots=True)
class AutogradEngine(Engine):
    """For any module: PyTorch differentiates the mean loss, dense Adam, Adagrad or SGD updates all parameters.

    Several processes may divide the rows of each step (:meth:`divide`), to the same loss and step up to rounding.
    """

    model_type = Model
    _optimiser: DenseOptimiser = field(init=False)
    _divided: Divided = field(init=False)

    def _prepare(self) -> None:
        self._divided = Divided(self.model)
        self._optimiser = DenseOptimiser([p for p in self.model.parameters() if p.requires_grad], self.update)

    def divide(self, ranks: Ranks) -> None:
        self._divided = Divided(self.model, ranks)

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        self.model.refresh(context)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, self._divided.scorer)
        start = perf_counter()
        self._optimiser.forget()
        pool = negatives.pool if self.model.inner_product else None
        if pool is None:
            outcome = self._step_scores(context, negatives, start)
        else:
            outcome = self._step_pool(context, negatives, pool)
        start = perf_counter()
        self._divided.sum_gradients(self._optimiser.parameters)
        self._optimiser.step(lr)
        self._spend("update", start)
        return outcome

    def _step_pool(self, context: Context, negatives: Negatives, pool: Tensor) -> Outcome:
        """Encodings by autograd, everything between encodings and loss by matrix products in blocks."""
        start = perf_counter()
        mine = self._divided
        rows, times = mine.rows(context.rows)
        vectors, good, bad = mine.queries(context.queries), mine.positives(context), mine.pool(pool)
        self._spend("forward", start)
        products = PoolProducts(vectors.detach(), bad.detach(), self.update.half)
        done, of_good = through_pool(self.loss, products, good.detach(), part_of(negatives, rows), self._spend)
        value = finite(mine.summed(done.total) / (context.rows * times), context)
        start = perf_counter()
        all_grads = products.per_row, of_good, products.grad_pool
        ends, grads = [vectors, good, bad], [grad / (context.rows * times) for grad in all_grads]
        penalty = self.model.penalty(context)
        if penalty is not None:
            ends, grads = [*ends, penalty], [*grads, torch.full_like(penalty, 1 / mine.ranks.count)]
        torch.autograd.backward(ends, grads)
        self._spend("backward", start)
        return Outcome(value, negatives, *mine.seen(context.rows, done.positive, done.seen))

    def _step_scores(self, context: Context, negatives: Negatives, start: float) -> Outcome:
        """Autograd from the scores on."""
        device, mine = context.device.type, self._divided
        rows, times = mine.rows(context.rows)
        with torch.autocast(device, torch.bfloat16, enabled=self.update.half and negatives.pool is not None):
            positive = mine.scores(context, context.positives).float()
            negative = mine.scores(context, negatives.ids).float()
        start = self._spend("forward", start)
        loss = self.loss.rows(positive, negative, part_of(negatives, rows)).sum() / (context.rows * times)
        value = finite(mine.summed(loss), context)
        penalty = self.model.penalty(context)
        loss = loss if penalty is None else loss + penalty / mine.ranks.count
        start = self._spend("loss", start)
        loss.backward()  # type: ignore[no-untyped-call]
        self._spend("backward", start)
        return Outcome(value, negatives, *mine.seen(context.rows, positive.detach(), negative.detach()))

    def state(self) -> State:
        return self._optimiser.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._optimiser.load_state(state)
