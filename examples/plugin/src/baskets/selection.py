"""Candidates by the rank of their difficulty: the hardest most often, every one sometimes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from negatives.control import Knob
from negatives.control.base import value_of
from negatives.errors import ConfigError
from negatives.selection import Selection
from negatives.selection.picking import check_count, masked, needed, resampled
from negatives.types import Candidates, Context, Negatives


@dataclass(slots=True)
class ByRank(Selection):
    """``k`` candidates drawn with chances ``π ∝ exp(-r / λ)``, where ``r = 0`` is the hardest allowed one.

    With ``log_q = log q + log(m π)`` the promise of :class:`negatives.types.Negatives` is kept. A chosen slot no longer
    follows the proposal, so ``keeps_proposal`` stays False.

    Source: Rendle and Freudenthaler, WSDM 2014, whose adaptive sampler ranks all items; here the drawn ones are ranked.

    Args:
        k: Negatives per row, drawn with replacement.
        scale: ``λ``, in ranks; a knob.

    Raises:
        ConfigError: ``scale`` is not above zero, or there is no difficulty.
    """

    k: int = 1
    scale: Knob = 4.0

    def __post_init__(self) -> None:
        check_count("k", self.k)

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        """See :meth:`Selection.pick`."""
        scale = value_of(self.scale, context.progress)
        if not scale > 0:
            raise ConfigError(f"by_rank: scale is {scale:g}; it must be above 0")
        hard = needed(difficulty, "by_rank", "a difficulty")
        lowest = torch.finfo(hard.dtype).min  # so that what is not allowed stands behind the hopeless, too
        order = masked(hard.clamp(min=lowest), candidates.ok).sort(dim=1, descending=True, stable=True).indices
        ranks = order.argsort(dim=1)
        return resampled(context, candidates, -ranks.to(hard.dtype) / scale, self.k, key)


__all__ = ["ByRank"]
