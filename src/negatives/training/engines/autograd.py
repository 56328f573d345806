"""The engine for any module: PyTorch differentiates all the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import torch

from negatives.errors import ConfigError
from negatives.training.engines.base import Engine, Outcome, finite
from negatives.types import Context, State


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
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        start = self._spend("backward", start)
        self._optimiser.step()
        self._spend("update", start)
        return Outcome(value, negatives, positive.detach(), negative.detach())

    def state(self) -> State:
        kept = self._optimiser.state_dict()["state"]
        return {str(index): dict(values) for index, values in kept.items()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        whole = self._optimiser.state_dict()
        whole["state"] = {int(index): dict(values) for index, values in state.items()}
        self._optimiser.load_state_dict(whole)


__all__ = ["AutogradEngine"]
