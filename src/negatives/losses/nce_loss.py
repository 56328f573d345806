"""Noise-contrastive estimation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor
from torch.nn.functional import softplus

from negatives.errors import LogQUnknown
from negatives.losses.base import Loss
from negatives.losses.ops import known_log_q, masked, weighted_sum
from negatives.types import Negatives


@dataclass(slots=True)
class NCE(Loss):
    """Tell data from noise: ``-log σ(s⁺ - log(k q⁺)) - sum_j w_j log σ(log(k q_j) - s_j)``.

    At the optimum ``s`` is the normalised log-probability of the item given the query. ``k`` counts all slots;
    ``q⁺`` is the proposal's probability of the positive (``negatives.positive_log_q``).

    Raises:
        LogQUnknown: The sampler does not know the probability of the negatives or of the positive, or that of a
            positive is 0, so that nothing would pull it.

    Source: Gutmann and Hyvärinen, JMLR 2012; Mnih and Teh, A Fast and Simple Algorithm, ICML 2012.
    """

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        filled = negatives.ok.any(1)
        pulled, pushed = self._halves(positive, negative, negatives, filled)
        return pulled * filled + pushed

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """See :meth:`Loss.grouped`; one sum over the negatives for each group."""
        filled = negatives.ok.any(1)[owner]
        pulled, pushed = self._halves(positive, negative, negatives, filled)
        return pulled * filled + pushed[owner]

    def _halves(
        self, positive: Tensor, negative: Tensor, negatives: Negatives, filled: Tensor
    ) -> tuple[Tensor, Tensor]:
        """What pulls the positives, and what pushes the negatives."""
        log_q = known_log_q(negatives, "nce", "use the loss logistic")
        if negatives.positive_log_q is None:
            raise LogQUnknown(
                "nce needs the positives' log-probability under the proposal (negatives.positive_log_q), which this "
                "sampler does not give; choose all or random, and not merges=True, or use the loss logistic"
            )
        if bool(((negatives.positive_log_q == -math.inf) & filled).any()):
            raise LogQUnknown(
                "the proposal can never draw a positive of this batch (its probability is 0), so nce would not pull "
                "it; mix the proposal with uniform, give it smoothing, or use the loss logistic"
            )
        log_k = math.log(max(negatives.k, 1))
        gap = negatives.positive_log_q.to(positive.dtype) + log_k - positive
        pulled = softplus(gap.masked_fill(~filled, 0.0))  # whatever an empty row holds, infinity too
        pushed = softplus(masked(negative - (log_q.to(negative.dtype) + log_k), negatives.ok))
        return pulled, weighted_sum(pushed, negatives)


def nce(positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
    """Mean of :class:`NCE` over the rows."""
    return NCE()(positive, negative, negatives)
