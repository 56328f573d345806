"""The engine for any module: PyTorch differentiates all the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.models import Model
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.training.engines.dense import DenseOptimiser
from negatives.training.engines.pool import PoolProducts, through_pool
from negatives.types import Context, Negatives, State


@dataclass(slots=True)
class AutogradEngine(Engine):
    """For any module: PyTorch differentiates the mean loss, dense Adam, Adagrad or SGD updates all parameters."""

    model_type = Model
    _optimiser: DenseOptimiser = field(init=False)

    def _prepare(self) -> None:
        self._optimiser = DenseOptimiser([p for p in self.model.parameters() if p.requires_grad], self.update)

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        self.model.refresh(context)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        self._optimiser.forget()
        pool = negatives.pool if self.model.inner_product else None
        if pool is None:
            outcome = self._step_scores(context, negatives, start)
        else:
            outcome = self._step_pool(context, negatives, pool)
        start = perf_counter()
        self._optimiser.step(lr)
        self._spend("update", start)
        return outcome

    def _step_pool(self, context: Context, negatives: Negatives, pool: Tensor) -> Outcome:
        """Encodings by autograd, everything between encodings and loss by matrix products in blocks."""
        start = perf_counter()
        model = self.model
        vectors = model.encode_queries(context.queries)
        good, bad = model.encode_items(context.positives), model.encode_items(pool)
        self._spend("forward", start)
        products = PoolProducts(vectors.detach(), bad.detach(), self.update.half)
        done, of_good = through_pool(self.loss, products, good.detach(), negatives, self._spend)
        value = finite(done.total / context.rows, context)
        start = perf_counter()
        all_grads = products.per_row, of_good, products.grad_pool
        ends, grads = [vectors, good, bad], [grad / context.rows for grad in all_grads]
        penalty = model.penalty(context)
        if penalty is not None:
            ends, grads = [*ends, penalty], [*grads, torch.ones_like(penalty)]
        torch.autograd.backward(ends, grads)
        self._spend("backward", start)
        return Outcome(value, negatives, done.positive, done.seen)

    def _step_scores(self, context: Context, negatives: Negatives, start: float) -> Outcome:
        """Autograd from the scores on."""
        device = context.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.update.half and negatives.pool is not None):
            positive = self.model.score(context.queries, context.positives).float()
            negative = self.model.score(context.queries, negatives.ids).float()
        start = self._spend("forward", start)
        loss = self.loss(positive, negative, negatives)
        value = finite(loss.detach(), context)
        penalty = self.model.penalty(context)
        loss = loss if penalty is None else loss + penalty
        start = self._spend("loss", start)
        loss.backward()  # type: ignore[no-untyped-call]
        self._spend("backward", start)
        return Outcome(value, negatives, positive.detach(), negative.detach())

    def state(self) -> State:
        return self._optimiser.state()

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._optimiser.load_state(state)
