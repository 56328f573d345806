"""InfoNCE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from negatives.control.base import Knob
from negatives.losses.base import Loss
from negatives.losses.ops import log_sum_exp
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class InfoNCE(Loss):
    """Cross-entropy of the positive among its negatives: ``-log( e^{s⁺/T} / (e^{s⁺/T} + sum_j w_j e^{s_j/T}) )``.

    Needs no ``log_q``. With the weights of :class:`negatives.selection.HardContrastive` it is the hard
    contrastive loss of Robinson et al. (2021).

    Args:
        temperature: ``T``, which divides all scores.

    Source: van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"temperature": Range(0.25, 4.0, relative=True)}
    temperature: Knob = 0.1

    def __post_init__(self) -> None:
        self.now("temperature")

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        temperature = self.now("temperature")
        return softplus(log_sum_exp(negative, temperature, negatives) - positive / temperature)

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """See :meth:`Loss.grouped`; one sum over the negatives for each group."""
        temperature = self.now("temperature")
        return softplus(log_sum_exp(negative, temperature, negatives)[owner] - positive / temperature)


def info_nce(positive: Tensor, negative: Tensor, negatives: Negatives, temperature: float = 0.1) -> Tensor:
    """Mean of :class:`InfoNCE` over the rows."""
    return InfoNCE(temperature)(positive, negative, negatives)
