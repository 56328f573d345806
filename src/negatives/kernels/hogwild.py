"""Asynchronous updates of pairs, and what kernels must know of a loss that they compute themselves."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from negatives.kernels.checks import same
from negatives.kernels.dispatch import serve
from negatives.types import Negatives

KINDS = ("bpr", "hinge", "logistic")
"""Losses that :func:`async_pairs_` computes."""


@dataclass(frozen=True, slots=True)
class LossKernel:
    """A loss as numbers, for kernels that take loss, gradient and update in one step.

    Args:
        kind: Its name in the registry.
        margin: Its margin.
        mean: Divide by the number of allowed negatives, rather than add them up.
        zeros: Weight of the negatives beside the positive.
    """

    kind: str
    margin: float = 0.0
    mean: bool = False
    zeros: float = 1.0


def async_pairs_(
    tables: tuple[Tensor, Tensor],
    queries: Tensor,
    positives: Tensor,
    negatives: Negatives,
    *,
    loss: LossKernel,
    lr: float,
    weight_decay: float = 0.0,
) -> Tensor:
    """Score, differentiate and update row by row, in place, each row on the tables as they are by then (CPU only).

    With several threads rows are taken without locks, and the last digits differ from run to run.

    Args:
        tables: ``(n_q, d)`` and ``(n_i, d)`` float32 of queries and items.
        queries: ``(rows,)`` int64.
        positives: ``(rows,)`` int64.
        negatives: ``ids``, ``ok`` and ``weight`` ``(rows, k)``.
        loss: One of :data:`KINDS`; negatives count in full.
        lr: Step size.
        weight_decay: L2 factor; a row decays once for every pair that moves it.

    Returns:
        Scores ``(rows, 1 + k)`` before each row's update, the positive's first.

    Raises:
        ValueError: The loss is none of :data:`KINDS`, or sizes differ.
    """
    if loss.kind not in KINDS or loss.zeros != 1.0:
        raise ValueError(f"asynchronous updates know the losses {', '.join(KINDS)}, not {loss}")
    same(queries.numel(), negatives.ids.shape[0], "queries and rows of ids")
    same(queries.numel(), positives.numel(), "queries and positives")
    free = tables[0].detach(), tables[1].detach()
    found: Tensor = serve("hogwild", queries).async_pairs_(free, queries, positives, negatives, loss, lr, weight_decay)
    return found
