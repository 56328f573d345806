"""Binary cross-entropy whose positives count less, the fewer of the negatives are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from negatives.control.base import Knob
from negatives.errors import ConfigError, LogQUnknown
from negatives.losses.base import Loss
from negatives.losses.ops import masked, weighted_sum
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class GBCE(Loss):
    """``(-β log σ(s⁺/T) - sum_j w_j log σ(-s_j/T)) / (1 + n)``, with ``β = 1 - t (1 - α)`` and ``α = min(1, k q⁺)``.

    With few negatives the plain loss learns that almost everything is right. ``α`` is the share of the times that the
    item stands among the negatives when it is wrong; with ``t = 1`` the probabilities are those that all negatives
    together would teach, with ``t = 0`` the loss is the plain one. ``n`` counts the allowed negatives.

    Args:
        calibration: ``t``, from 0 to 1.
        temperature: ``T``; divides all scores.

    Raises:
        ConfigError: ``calibration`` is out of range.
        LogQUnknown: The sampler does not know the probability of the positive.

    Source: Petrov and Macdonald, gSASRec: Reducing Overconfidence in Sequential Recommendation Trained with Negative
    Sampling, RecSys 2023. Differs: there all items are drawn alike and ``α = k / (n_items - 1)``; here ``q⁺`` is what
    the sampler says of the row's own positive, so that other samplers may be used.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "calibration": Range(0.0, 1.0, log=False),
        "temperature": Range(0.25, 4.0, relative=True),
    }
    pairwise = True
    pointwise = True

    calibration: float = 0.75
    temperature: Knob = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.calibration <= 1.0:
            raise ConfigError(f"calibration is {self.calibration}; it must be from 0 to 1")
        self.now("temperature")

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        filled, count = negatives.ok.any(1), negatives.ok.sum(1)
        return (self._pulled(positive, negatives, filled) + self._pushed(negative, negatives)) / (1 + count)

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """See :meth:`Loss.grouped`; one sum over the negatives for each group."""
        filled, count = negatives.ok.any(1)[owner], negatives.ok.sum(1)[owner]
        pushed = self._pushed(negative, negatives)[owner]
        return (self._pulled(positive, negatives, filled) + pushed) / (1 + count)

    def _pulled(self, positive: Tensor, negatives: Negatives, filled: Tensor) -> Tensor:
        terms = softplus(-positive / self.now("temperature")) * filled
        if self.calibration == 0.0:
            return terms
        if negatives.positive_log_q is None:
            raise LogQUnknown(
                "gbce needs the positives' log-probability under the proposal (negatives.positive_log_q), which this "
                "sampler does not give; choose all or random, and not merges=True, or set calibration=0"
            )
        rate = (negatives.positive_log_q + math.log(max(negatives.k, 1))).exp().clamp(max=1.0)
        return terms * (1.0 - self.calibration * (1.0 - rate)).to(terms.dtype)

    def _pushed(self, negative: Tensor, negatives: Negatives) -> Tensor:
        return weighted_sum(softplus(masked(negative / self.now("temperature"), negatives.ok)), negatives)


def gbce(
    positive: Tensor, negative: Tensor, negatives: Negatives, calibration: float = 0.75, temperature: float = 1.0
) -> Tensor:
    """Mean of :class:`GBCE` over the rows."""
    return GBCE(calibration, temperature)(positive, negative, negatives)
