"""Softmax loss at K."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.control.base import Knob
from negatives.losses.base import Loss
from negatives.losses.ops import check_at_least, known_log_q, last_of_list
from negatives.losses.sampled_softmax_loss import SampledSoftmax
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class SLAtK(Loss):
    """SL@K: the sampled softmax, each row weighted by how near its positive is to a list of ``K``.

    ``σ((s⁺ - β)/T_w) · -log( e^{s⁺/T} / (e^{s⁺/T} + sum_j w_j e^{s_j/T - log(k q_j)}) )``

    ``β`` is the score of the ``K``-th best negative, so ``s⁺ > β`` puts the positive on the list. It is estimated from
    the same negatives: each stands for ``w_j/(k q_j)`` items, and ``β`` is the score, from the top, at which they stand
    for ``K``. A row far below its list counts less, because no step soon would bring it there.

    Differs from the paper: the softmax is the corrected one; the query's other positives are not among the scores that
    ``β`` is taken from; no gradient flows through the weight, so a larger score of the positive never costs more.

    Args:
        temperature: ``T``; a knob.
        weight_temperature: ``T_w`` of the weight; a knob.
        at: ``K``, length of the list that is judged.

    Raises:
        ConfigError: A temperature is not above zero, or ``at`` is below 1.
        LogQUnknown: The sampler could not know ``log_q``.

    Source: Yang et al., Breaking the Top-K Barrier: Advancing Top-K Ranking Metrics Optimization in Recommender
    Systems, KDD 2025.
    """

    tunable: ClassVar[Mapping[str, Range]] = {
        "temperature": Range(0.25, 4.0, relative=True),
        "weight_temperature": Range(0.25, 4.0, relative=True),
    }
    temperature: Knob = 0.1
    weight_temperature: Knob = 1.0
    at: int = 20

    def __post_init__(self) -> None:
        self.now("temperature")
        self.now("weight_temperature")
        check_at_least("at", self.at, 1)

    @property
    def estimates(self) -> bool:
        return True

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        weight = self._near(positive, negative, negatives)
        return weight * SampledSoftmax(self.now("temperature")).rows(positive, negative, negatives)

    def fused_(self, positive: Tensor, scores: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        """See :meth:`Loss.fused_`; None where negatives have weights."""
        if negatives.weight is not None:
            return None
        weight = self._near(positive, scores, negatives)
        fused = SampledSoftmax(self.now("temperature")).fused_(positive, scores, negatives)
        if fused is None:
            return None
        scores.mul_(weight.to(scores.dtype).unsqueeze(1))
        return fused[0] * weight, fused[1] * weight

    def _near(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        """``σ((s⁺ - β)/T_w)``, ``(rows,)``."""
        end = last_of_list(negative.detach(), negatives, known_log_q(negatives, "sl_at_k", "use psl"), self.at)
        return ((positive.detach() - end) / self.now("weight_temperature")).sigmoid()


def sl_at_k(
    positive: Tensor,
    negative: Tensor,
    negatives: Negatives,
    temperature: float = 0.1,
    weight_temperature: float = 1.0,
    at: int = 20,
) -> Tensor:
    """Mean of :class:`SLAtK` over the rows."""
    return SLAtK(temperature, weight_temperature, at)(positive, negative, negatives)
