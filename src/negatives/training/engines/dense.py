"""PyTorch's optimisers for parameters that move as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from negatives.errors import ConfigError
from negatives.training.engines.base import Update
from negatives.types import State


@dataclass(slots=True)
class DenseOptimiser:
    """Adam, Adagrad or SGD over all numbers of some parameters; the step size is given at each step.

    Args:
        parameters: At least one.
        update: Names the optimiser.

    Raises:
        ConfigError: The name is not known.
    """

    parameters: list[nn.Parameter]
    update: Update
    _inner: torch.optim.Optimizer = field(init=False)

    def __post_init__(self) -> None:
        name, decay = self.update.optimiser, self.update.weight_decay
        if name == "adam":
            self._inner = torch.optim.Adam(self.parameters, lr=1e-3, weight_decay=decay, fused=True)
        elif name == "adagrad":
            self._inner = torch.optim.Adagrad(self.parameters, lr=1e-2, weight_decay=decay)
        elif name == "sgd":
            self._inner = torch.optim.SGD(self.parameters, lr=1e-2, weight_decay=decay)
        else:
            raise ConfigError(f"no optimiser is called {name!r}; choose sgd, adagrad or adam")

    def forget(self) -> None:
        """Drop the gradients of the step before."""
        self._inner.zero_grad(set_to_none=True)

    def step(self, lr: float) -> None:
        """One update by the parameters' gradients."""
        for group in self._inner.param_groups:
            group["lr"] = lr
        self._inner.step()

    def state(self) -> State:
        """The moments of each parameter."""
        return {
            str(index): {name: value.clone() if isinstance(value, Tensor) else value for name, value in values.items()}
            for index, values in self._inner.state_dict()["state"].items()
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""
        whole = self._inner.state_dict()
        whole["state"] = {int(index): dict(values) for index, values in state.items()}
        self._inner.load_state_dict(whole)
