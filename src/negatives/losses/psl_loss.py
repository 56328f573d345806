"""Pairwise softmax loss."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from negatives.control.base import Knob
from negatives.errors import ConfigError
from negatives.losses.base import Loss
from negatives.losses.ops import log_sum_exp
from negatives.types import Negatives

LEAST = 1e-6
"""Stands for an activation of zero where its logarithm is taken."""


@dataclass(slots=True)
class PSL(Loss):
    """Pairwise softmax loss: ``log( (1/n) sum_j w_j f(d_j)^{1/T} )`` with ``d_j = (s_j - s⁺)/2``.

    ``f`` takes the place of the softmax's exponential and lies between it and the step function, so one false negative
    far above the positive weighs less: ``tanh(d) + 1``, ``relu(1 + d)`` or ``atan(d) + 1``. ``n`` counts the allowed
    negatives of the row. Meant for scores from -1 to 1, such as cosines; ``d`` then lies there too.

    Differs from the authors' code: the mean over the negatives where that has the sum, which shifts the loss by a
    constant; an activation of zero counts as 1e-6.

    Args:
        temperature: ``T``; small values look at the hardest negatives.
        activation: ``tanh``, ``relu`` or ``atan``.

    Raises:
        ConfigError: The temperature is not above zero, or the activation is not known.

    Source: Yang et al., PSL: Rethinking and Improving Softmax Loss from Pairwise Perspective for Recommendation,
    NeurIPS 2024.
    """

    temperature: Knob = 0.1
    activation: str = "tanh"

    def __post_init__(self) -> None:
        self.now("temperature")
        if self.activation not in _LOGS:
            raise ConfigError(f"psl: no activation is called {self.activation!r}; choose {', '.join(_LOGS)}")

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        gaps = ((negative - positive.unsqueeze(1)) / 2.0).masked_fill(~negatives.ok, 0.0)
        spread = (
            log_sum_exp(_LOGS[self.activation](gaps), self.now("temperature"), negatives)
            - negatives.ok.sum(1).clamp(min=1).log()
        )
        return torch.where(spread > -torch.inf, spread, torch.zeros_like(spread))


def _log_tanh(gap: Tensor) -> Tensor:
    """``log(1 + tanh d)``, which is ``log 2 + log σ(2 d)``."""
    return math.log(2.0) + logsigmoid(2.0 * gap)


def _log_relu(gap: Tensor) -> Tensor:
    """``log relu(1 + d)``."""
    return (1.0 + gap).clamp(min=LEAST).log()


def _log_atan(gap: Tensor) -> Tensor:
    """``log(1 + atan d)``."""
    return (1.0 + gap.atan()).clamp(min=LEAST).log()


_LOGS = {"tanh": _log_tanh, "relu": _log_relu, "atan": _log_atan}


def psl(
    positive: Tensor, negative: Tensor, negatives: Negatives, temperature: float = 0.1, activation: str = "tanh"
) -> Tensor:
    """Mean of :class:`PSL` over the rows."""
    return PSL(temperature, activation)(positive, negative, negatives)
