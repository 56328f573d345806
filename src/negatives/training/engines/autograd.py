"""The engine for any module: PyTorch differentiates all the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.types import Context, Negatives, State


@dataclass(slots=True)
class AutogradEngine(Engine):
    """For any module: PyTorch differentiates the mean loss, dense Adam, Adagrad or SGD updates all parameters.

    Args:
        optimiser: ``sgd``, ``adagrad`` or ``adam``.
        weight_decay: L2 factor.
        half: Multiply by a shared pool in bfloat16, through autocast.
    """

    optimiser: str = "adam"
    weight_decay: float = 0.0
    half: bool = False
    _optimiser: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        parameters = [p for p in self.model.parameters() if p.requires_grad]
        decay = self.weight_decay
        if self.optimiser == "adam":
            self._optimiser = torch.optim.Adam(parameters, lr=1e-3, weight_decay=decay, fused=True)
        elif self.optimiser == "adagrad":
            self._optimiser = torch.optim.Adagrad(parameters, lr=1e-2, weight_decay=decay)
        elif self.optimiser == "sgd":
            self._optimiser = torch.optim.SGD(parameters, lr=1e-2, weight_decay=decay)
        else:
            raise ConfigError(f"no optimiser is called {self.optimiser!r}; choose sgd, adagrad or adam")

    def step(self, context: Context, lr: float) -> Outcome:
        start = perf_counter()
        for group in self._optimiser.param_groups:
            group["lr"] = lr
        self.model.refresh(context)
        start = self._spend("forward", start)
        negatives = self.sampler.sample(context, self.model)
        start = perf_counter()
        self._optimiser.zero_grad(set_to_none=True)
        pool = negatives.pool if self.model.inner_product else None
        told = (
            self._step_scores(context, negatives, start) if pool is None else self._step_pool(context, negatives, pool)
        )
        start = perf_counter()
        self._optimiser.step()
        self._spend("update", start)
        return told

    def _step_pool(self, context: Context, negatives: Negatives, pool: Tensor) -> Outcome:
        """Encodings by autograd, everything between encodings and loss by matrix products in blocks."""
        start = perf_counter()
        model = self.model
        vectors = model.encode_queries(context.queries)
        good, bad = model.encode_items(context.positives), model.encode_items(pool)
        self._spend("forward", start)
        done = self._through_pool(vectors.detach(), good.detach(), bad.detach(), self.half, negatives)
        value = finite(done.total / context.rows, context)
        start = perf_counter()
        ends, grads = [vectors, good, bad], [grad / context.rows for grad in (done.queries, done.good, done.bad)]
        penalty = model.penalty(context)
        if penalty is not None:
            ends, grads = [*ends, penalty], [*grads, torch.ones_like(penalty)]
        torch.autograd.backward(ends, grads)
        self._spend("backward", start)
        return Outcome(value, negatives, done.positive, done.seen)

    def _step_scores(self, context: Context, negatives: Negatives, start: float) -> Outcome:
        """Autograd from the scores on."""
        device = context.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self.half and negatives.pool is not None):
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
        kept = self._optimiser.state_dict()["state"]
        return {str(index): dict(values) for index, values in kept.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        whole = self._optimiser.state_dict()
        whole["state"] = {int(index): dict(values) for index, values in state.items()}
        self._optimiser.load_state_dict(whole)


__all__ = ["AutogradEngine"]
