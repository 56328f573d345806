"""The loss Talos."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from negatives.control.base import Knob
from negatives.losses.base import Loss
from negatives.losses.ops import check_at_least, known_log_q, last_of_list, log_sum_exp
from negatives.parameters import Range
from negatives.types import Negatives


@dataclass(slots=True)
class Talos(Loss):
    """Talos: a softmax over how surely each item stands on a list of ``K``.

    ``-log( a⁺ / (a⁺ + sum_j w_j a_j/(k q_j)) )`` with ``a = σ(s - β)^{1/T}``

    ``β`` is the score of the ``K``-th best negative. What lies far above it gains little more, what lies far below is
    pressed as in a softmax: the loss is about who stands on the list, not about the order within it.

    Differs from the paper, which learns ``β`` of each query by quantile regression at ``K/N``: here it is estimated
    from the negatives of the row, as in :class:`negatives.losses.SLAtK`, and no gradient flows through it. Its factor
    ``N/n`` of uniform negatives is ``1/(k q_j)``.

    Args:
        temperature: ``T``; a knob.
        at: ``K``, length of the list that is judged.

    Raises:
        ConfigError: The temperature is not above zero, or ``at`` is below 1.
        LogQUnknown: The sampler could not know ``log_q``.

    Source: Talos, WWW 2026.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"temperature": Range(0.25, 4.0, relative=True)}
    temperature: Knob = 0.1
    at: int = 20

    def __post_init__(self) -> None:
        self.now("temperature")
        check_at_least("at", self.at, 1)

    @property
    def estimates(self) -> bool:
        return True

    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        log_q = known_log_q(negatives, "talos", "use psl")
        end = last_of_list(negative.detach(), negatives, log_q, self.at)
        temperature = self.now("temperature")
        allowed = (negative - end.unsqueeze(1)).masked_fill(~negatives.ok, 0.0)
        rest = log_sum_exp(logsigmoid(allowed), temperature, negatives, log_q)
        return softplus(rest - logsigmoid(positive - end) / temperature)


def talos(positive: Tensor, negative: Tensor, negatives: Negatives, temperature: float = 0.1, at: int = 20) -> Tensor:
    """Mean of :class:`Talos` over the rows."""
    return Talos(temperature, at)(positive, negative, negatives)
