"""Sampled softmax with log-q correction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from negatives.control.base import Knob
from negatives.kernels.checks import all_ok
from negatives.kernels.pool_softmax import pool_softmax_
from negatives.losses.base import Loss
from negatives.losses.ops import known_log_q, log_sum_exp
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class SampledSoftmax(Loss):
    """Cross-entropy of the positive among sampled negatives, corrected for how often each is sampled.

    ``-log( e^{s⁺/T} / (e^{s⁺/T} + sum_j w_j e^{s_j/T - log(k q_j)}) )``

    The sum estimates the softmax's denominator over all allowed items without bias, so the loss approaches the
    full softmax as ``k`` grows. Where the positive is not marked by a guard it counts twice; use a guard on the
    row's own positive.

    Args:
        temperature: ``T``; divides scores of positives and negatives.
        correction: False leaves ``log(k q)`` out, and ``log_q`` may be unknown.

    Source: Bengio and Senécal, Adaptive Importance Sampling, IEEE TNN 2008; Jean et al., ACL 2015.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"temperature": Range(0.25, 4.0, relative=True)}
    temperature: Knob = 1.0
    correction: bool = True

    def __post_init__(self) -> None:
        self.now("temperature")

    @property
    def estimates(self) -> bool:
        return self.correction

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        log_q = known_log_q(negatives, "sampled_softmax", "set correction=False") if self.correction else None
        temperature = self.now("temperature")
        rest = log_sum_exp(negative, temperature, negatives, log_q)
        return softplus(rest - positive / temperature)

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """See :meth:`Loss.grouped`; one sum over the negatives for each group."""
        log_q = known_log_q(negatives, "sampled_softmax", "set correction=False") if self.correction else None
        temperature = self.now("temperature")
        rest = log_sum_exp(negative, temperature, negatives, log_q)
        return softplus(rest[owner] - positive / temperature)

    def fused_(self, positive: Tensor, scores: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        """See :meth:`Loss.fused_`; None where negatives have weights."""
        if negatives.weight is not None:
            return None
        bias = None
        if self.correction:
            log_q = known_log_q(negatives, "sampled_softmax", "set correction=False")
            bias = -(log_q.float() + math.log(max(negatives.k, 1)))
        ok = None if all_ok(negatives.ok) else negatives.ok
        return pool_softmax_(scores, positive, 1.0 / self.now("temperature"), bias, ok)


def sampled_softmax(
    positive: Tensor, negative: Tensor, negatives: Negatives, temperature: float = 1.0, correction: bool = True
) -> Tensor:
    """Mean of :class:`SampledSoftmax` over the rows."""
    return SampledSoftmax(temperature, correction)(positive, negative, negatives)
