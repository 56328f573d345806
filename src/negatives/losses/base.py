"""What every loss does: turn scores and a sampler's answer into one number per row."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

import torch
from torch import Tensor

from negatives.control.base import Knob, value_of
from negatives.kernels.hogwild import LossKernel
from negatives.losses.ops import check_above, rows_that_count
from negatives.parameters import Range
from negatives.types import Negatives

HALF = (torch.float16, torch.bfloat16)


@dataclass(slots=True)
class Loss(ABC):
    """A loss over one positive and ``k`` negatives per row. Honours ``ok`` and ``weight``.

    A temperature may be a knob: the loop tells the loss how far the training is (``progress``, from 0 to 1) and shows
    its controllers the sampler's signals, as :func:`negatives.control.base.feed` does for a loop of one's own.
    """

    pairwise: ClassVar[bool] = False
    """Whether each negative is set against the positive by itself, so that few of each row's own serve it best; recipes
    ask for it."""
    pointwise: ClassVar[bool] = False
    """Whether each score counts by itself, so that all items together make one-versus-all."""
    tunable: ClassVar[Mapping[str, Range]] = {}
    """Numbers that are worth tuning, by parameter, and in what range; ``weights.0`` is the first of a list."""
    progress: float = field(default=0.0, init=False, repr=False, compare=False)

    @property
    def estimates(self) -> bool:
        """Whether negatives enter only as estimates ``(1/k) sum_j w_j f(s_j)/q_j`` of sums over all items, so that
        equal draws of a pool may be made one: see ``merges`` of :class:`negatives.sampler.Sampler`.
        """
        return False

    @classmethod
    def kind(cls) -> Literal["pointwise", "pairwise", "listwise"]:
        """Which form of a sampler serves it, where a sampler has several."""
        return "pointwise" if cls.pointwise else "pairwise" if cls.pairwise else "listwise"

    @abstractmethod
    def rows(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        """Loss of each row, ``(rows,)``; zero with zero gradient for a row without an allowed negative.

        Args:
            positive: ``(rows,)`` scores of the positives.
            negative: ``(rows, k)`` scores of ``negatives.ids``.
            negatives: What the sampler returned.

        Raises:
            LogQUnknown: The loss needs ``log_q`` and the sampler could not know it.
        """

    def fused_(self, positive: Tensor, scores: Tensor, negatives: Negatives) -> tuple[Tensor, Tensor] | None:
        """Losses and gradients of a shared pool's scores in one pass, for losses that have a kernel for it.

        Args:
            positive: ``(rows,)`` scores of the positives.
            scores: ``(rows, m)`` scores of the pool, float32 or bfloat16; their gradient takes their place.
            negatives: What the sampler returned, for these rows.

        Returns:
            Losses ``(rows,)`` and the gradient of the positives ``(rows,)``; None where there is no such kernel, and
            nothing has changed then.
        """
        return None

    def kernel(self) -> LossKernel | None:
        """The loss as numbers, for kernels that take loss, gradient and update in one step; None for no kernel."""
        return None

    def grouped(self, positive: Tensor, negative: Tensor, negatives: Negatives, owner: Tensor) -> Tensor:
        """Loss ``(rows,)`` of rows that share their negatives in groups: positives of one query side by side.

        The same as :meth:`rows` on ``negative[owner]``; losses whose negatives meet in one number per row override
        it, so that the number is computed once for a group.

        Args:
            positive: ``(rows,)`` scores of the positives.
            negative: ``(groups, k)`` scores.
            negatives: The sampler's answer for the groups, but ``positive_log_q`` ``(rows,)`` for the rows.
            owner: ``(rows,)`` int64 group of each row.
        """
        parts = (negatives.ids, negatives.log_q, negatives.ok, negatives.weight)
        ids, log_q, ok, weight = (None if part is None else part[owner] for part in parts)
        assert ids is not None
        assert ok is not None
        each = replace(negatives, ids=ids, log_q=log_q, ok=ok, weight=weight)
        return self.rows(positive, negative[owner], each)

    def now(self, name: str) -> float:
        """The value of a parameter now: a number above zero, or a schedule or controller that gives one.

        Raises:
            ConfigError: It is not a finite number above zero.
        """
        number: Knob = getattr(self, name)
        value = value_of(number, self.progress)
        check_above(name, value)
        return value

    def __call__(self, positive: Tensor, negative: Tensor, negatives: Negatives) -> Tensor:
        """Mean over the rows that count, and zero where none does.

        Scores in bfloat16 or float16 are taken in float32, for sums over many negatives leave the range of float16.

        Args:
            positive: ``(rows,)``, or ``(batch, length)`` as the sampler was given the positives; or ``(n,)`` for the
                rows that count alone.
            negative: ``(rows, k)``, ``(batch, length, k)`` or ``(n, k)`` likewise.
            negatives: What the sampler returned.

        Raises:
            InputError: The shapes do not go together.
        """
        if positive.dim() != 1 or negatives.mask is not None or len(negatives.shape) != 1:
            positive, negative, negatives = rows_that_count(positive, negative, negatives)
        positive, negative = (one.float() if one.dtype in HALF else one for one in (positive, negative))
        each = self.rows(positive, negative, negatives)
        return each.mean() if each.numel() else each.sum()
