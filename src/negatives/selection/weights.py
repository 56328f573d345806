"""All candidates, with weights by softmax."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.parameters import Range
from negatives.selection.base import Selection
from negatives.selection.picking import LEAST, everything, needed, softmax_allowed
from negatives.types import Candidates, Context, Negatives


def softmax_weights(difficulty: Tensor, sharpness: float, ok: Tensor) -> Tensor:
    """``(rows, m)`` weights ``n softmax(a d)`` over the ``n`` allowed slots, 0 elsewhere; without gradient."""
    return softmax_allowed(difficulty.detach().clamp(min=LEAST) * sharpness, ok) * ok.sum(1, keepdim=True)


@dataclass(slots=True)
class SelfAdversarial(Selection):
    """All candidates, weighted by how hard they are: ``w_j = n softmax(α d)_j``; ``log_q`` is kept.

    The weights of a row sum to the number ``n`` of its allowed candidates, so that ``α = 0`` gives weights of one.
    The paper's weights sum to one; a loss that averages, such as ``logistic`` with ``mean``, gives the same.

    Args:
        alpha: ``α``; a knob.

    Source: Sun et al., RotatE: Knowledge Graph Embedding by Relational Rotation in Complex Space, ICLR 2019.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"alpha": Range(0.1, 10.0, relative=True)}
    alpha: Knob = 1.0

    @property
    def keeps_proposal(self) -> bool:
        return True

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        hard = needed(difficulty, "self_adversarial", "a difficulty")
        return everything(candidates, softmax_weights(hard, value_of(self.alpha, context.progress), candidates.ok))


@dataclass(slots=True)
class HardContrastive(Selection):
    """All candidates, weighted by ``w_j = e^{β d_j} / mean e^{β d}`` over the allowed ones; ``log_q`` is kept.

    With the loss ``info_nce`` that is hard contrastive learning. Differs from the paper: no correction for
    unlabelled positives (``τ⁺ = 0``), and no gradient through the weights.

    Args:
        beta: ``β``, the concentration; a knob.

    Source: Robinson et al., Contrastive Learning with Hard Negative Samples, ICLR 2021.
    """

    tunable: ClassVar[Mapping[str, Range]] = {"beta": Range(0.1, 10.0, relative=True)}
    beta: Knob = 1.0

    @property
    def keeps_proposal(self) -> bool:
        return True

    def pick(self, context: Context, candidates: Candidates, difficulty: Tensor | None, key: int) -> Negatives:
        hard = needed(difficulty, "hard_contrastive", "a difficulty")
        return everything(candidates, softmax_weights(hard, value_of(self.beta, context.progress), candidates.ok))
