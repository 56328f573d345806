"""Step sizes over time, and optimisers for the touched rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from negatives import kernels
from negatives.errors import ConfigError
from negatives.types import State

NAMES = ("sgd", "adagrad", "adam")
SCHEDULES = ("constant", "linear", "cosine")


@dataclass(frozen=True, slots=True)
class StepSize:
    """Step size as a function of progress: a linear warm-up, then constant, linear or cosine decay to zero.

    Args:
        lr: Largest step size.
        schedule: One of :data:`SCHEDULES`.
        warm_up: Share of the training that warms up.
    """

    lr: float
    schedule: str = "constant"
    warm_up: float = 0.0

    def __post_init__(self) -> None:
        if self.schedule not in SCHEDULES:
            raise ConfigError(f"no step-size schedule is called {self.schedule!r}; choose {', '.join(SCHEDULES)}")

    def at(self, progress: float) -> float:
        """The step size when the share ``progress`` is done.

        >>> StepSize(1.0, "linear").at(0.25)
        0.75
        """
        if progress < self.warm_up:
            return self.lr * (progress + 1e-3) / (self.warm_up + 1e-3)
        rest = (progress - self.warm_up) / max(1 - self.warm_up, 1e-9)
        share = {"constant": 1.0, "linear": 1 - rest, "cosine": 0.5 * (1 + math.cos(math.pi * rest))}
        return self.lr * max(share[self.schedule], 0.0)


@dataclass(slots=True)
class RowOptimiser:
    """Updates the touched rows of one table from their summed gradients.

    Args:
        table: ``(n, d)`` float32, changed in place.
        name: ``sgd``, ``adagrad`` or ``adam`` (lazy: the moments of other rows stay).
        weight_decay: L2 factor, applied to the touched rows.
    """

    table: Tensor
    name: str = "sgd"
    weight_decay: float = 0.0
    _steps: int = 0
    _slots: tuple[Tensor, ...] = field(default=())

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise ConfigError(f"no optimiser is called {self.name!r}; choose {', '.join(NAMES)}")
        n_slots = {"sgd": 0, "adagrad": 1, "adam": 2}[self.name]
        self._slots = tuple(torch.zeros_like(self.table) for _ in range(n_slots))

    def step(self, rows: Tensor, grad: Tensor, lr: float) -> None:
        """One update of the distinct ``rows`` ``(u,)`` by ``grad`` ``(u, d)``."""
        self._steps += 1
        if self.name == "sgd":
            kernels.sgd_rows_(self.table, rows, grad, lr, self.weight_decay)
        elif self.name == "adagrad":
            kernels.adagrad_rows_(self.table, self._slots[0], rows, grad, lr, self.weight_decay)
        else:
            moments = (self._slots[0], self._slots[1])
            kernels.adam_rows_(self.table, moments, rows, grad, lr, self._steps, self.weight_decay)

    def state(self) -> State:
        """Step count and moments."""
        return {"steps": self._steps, "slots": {str(i): slot.clone() for i, slot in enumerate(self._slots)}}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        self._steps = state["steps"]
        for index, slot in enumerate(self._slots):
            slot.copy_(state["slots"][str(index)])
