"""Bilateral softmax loss."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from negatives.control.base import Knob
from negatives.kernels.checks import all_ok
from negatives.kernels.pool_softmax import pool_softmax_
from negatives.losses.base import Loss
from negatives.losses.ops import log_sum_exp
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class BSL(Loss):
    """Bilateral softmax loss: ``-s⁺/T⁺ + log( (1/n) sum_j w_j e^{s_j/T} )``.

    ``n`` counts the allowed negatives of the row. The positive is not in the sum.

    The authors' code has one temperature ``t`` and an exponent ``c`` on the negative part,
    ``-s⁺/t + c log mean e^{s_j/t}``. Divided by ``c`` that is this loss with ``T = t`` and ``T⁺ = c t``; for
    matrix factorisation on Gowalla they report ``t = 0.08``, ``c = 1.22``. Their mode that averages
    ``e^{s⁺/t}`` over the rows of one batch with the same user is not part of this loss, which sees one row
    at a time.

    Args:
        temperature: ``T`` of the negatives.
        positive_temperature: ``T⁺`` of the positive.

    Source: Wu et al., BSL: Understanding and Improving Softmax Loss for Recommendation, ICDE 2024.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "temperature": Range(0.25, 4.0, relative=True),
        "positive_temperature": Range(0.25, 4.0, relative=True),
    }
    temperature: Knob = 0.1
    positive_temperature: Knob = 0.1

    def __post_init__(self) -> None:
        self.now("temperature")
        self.now("positive_temperature")

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        count = negatives.ok.sum(1)
        spread = log_sum_exp(negative, self.now("temperature"), negatives) - count.clamp(min=1).log()
        loss = spread - positive / self.now("positive_temperature")
        return torch.where(spread > -torch.inf, loss, torch.zeros_like(loss))

    def fused_(self, positive: Tensor, scores: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        """See :meth:`Loss.fused_`; None where negatives have weights."""
        if negatives.weight is not None:
            return None
        ok = None if all_ok(negatives.ok) else negatives.ok
        spread, _ = pool_softmax_(scores, None, 1.0 / self.now("temperature"), None, ok)
        count = torch.full_like(spread, negatives.k) if ok is None else ok.sum(1)
        own = self.now("positive_temperature")
        losses = spread - count.clamp(min=1).log() - positive / own
        return torch.where(count > 0, losses, 0.0), (count > 0) * (-1.0 / own)


def bsl(
    positive: Tensor,
    negative: Tensor,
    negatives: Negatives,
    temperature: float = 0.1,
    positive_temperature: float = 0.1,
) -> Tensor:
    """Mean of :class:`BSL` over the rows."""
    return BSL(temperature, positive_temperature)(positive, negative, negatives)
